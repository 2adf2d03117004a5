-- Deletes a transaction that has been over for longer than the retention.
--
-- Arguments: due_by (a time: Redis's clock may be wrong by now), index (its rows), names (the keys and fields under which
--   it is found while it is packed, the fields in hexadecimal digits), over_since (of a packed one).
-- Answers: not due | forgotten.
local score = history and arg.over_since + arg.retention or redis.call('ZSCORE', over, arg.id)
if not score or tonumber(score) > arg.due_by or get('unresolved') ~= '' then return answer('not due') end
if get('state') == 'authorized' and get('operation') == 'Debit' then return answer('not due') end
-- What came to nothing leaves the card its only payment, or credit.
local kind = get('operation') == 'Debit' and 'debit' or 'credit'
local nothing = get('state') == 'refused' or get('state') == 'abandoned'
  or number('voided') + number('refunded') == number('amount')
if nothing and redis.call('HGET', only, kind) == arg.id then redis.call('HDEL', only, kind) end

local function bytes(digits)
  return (string.gsub(digits, '..', function(pair) return string.char(tonumber(pair, 16)) end))
end

local short = bytes(string.sub(arg.id, 6))
if history then redis.call('LREM', packed, 1, packed_row) end
redis.call('UNLINK', transaction, events)
for _, queue in ipairs({due, over, all, of_card}) do redis.call('ZREM', queue, arg.id, short) end
for _, row in ipairs(arg.index) do redis.call('ZREM', index, row) end
for _, name in ipairs(arg.names) do
  local key, field = name[1], bytes(name[2])
  local found, left = redis.call('HGET', key, field) or '', ''
  for start = 1, #found, #short do
    local one = string.sub(found, start, start + #short - 1)
    if one ~= short then left = left .. one end
  end
  if left == '' then redis.call('HDEL', key, field) else redis.call('HSET', key, field, left) end
end
redis.call('ZREM', index, refused_row)
return answer('forgotten')
