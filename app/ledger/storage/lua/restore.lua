-- Writes a transaction that Redis had lost and the backend still knew.
--
-- Arguments: fields (of the whole transaction), index (its rows, with scores), in_totals (what was done is to be added to the totals:
--   they have lost it, too).
-- Answers: found (it is back already) | restored.
if get('state') ~= '' then return answer('found') end
for field, value in pairs(arg.fields) do set(field, value) end
redis.call('ZADD', all, arg.fields.date, arg.id)
if arg.fields.state ~= 'abandoned' then redis.call('ZADD', of_card, arg.fields.date, arg.id) end
redis.call('ZADD', index, unpack(arg.index))
for act = 0, arg.in_totals and number('acts') - 1 or -1 do
  if get(act_field(act, 'state')) == 'done' then
    local done = get('a' .. act)
    local voided, refunded = number(act_field(act, 'voided')), number(act_field(act, 'refunded'))
    enter(math.min(now, number(act_field(act, 'date'))), done.kind, done.amount, voided, refunded)
  end
end
arm()
note('restored')
return answer('restored')
