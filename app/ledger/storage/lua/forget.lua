-- Deletes a transaction that has been over for longer than the retention.
--
-- Arguments: due_by (a time: Redis's clock may be wrong by now), index (its rows).
-- Answers: not due | forgotten.
local score = redis.call('ZSCORE', over, arg.id)
if not score or tonumber(score) > arg.due_by or get('unresolved') ~= '' then return answer('not due') end
if get('state') == 'authorized' and get('operation') == 'Debit' then return answer('not due') end
-- What came to nothing leaves the card its only payment, or credit.
local kind = get('operation') == 'Debit' and 'debit' or 'credit'
local nothing = get('state') == 'refused' or get('state') == 'abandoned'
  or number('voided') + number('refunded') == number('amount')
if nothing and redis.call('HGET', only, kind) == arg.id then redis.call('HDEL', only, kind) end
redis.call('DEL', transaction, events)
for _, queue in ipairs({due, over, all, of_card}) do redis.call('ZREM', queue, arg.id) end
for _, row in ipairs(arg.index) do redis.call('ZREM', index, row) end
redis.call('ZREM', index, refused_row)
return answer('forgotten')
