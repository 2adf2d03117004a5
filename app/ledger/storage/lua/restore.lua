-- Writes a transaction that Redis had lost and the backend still knew, or that was abandoned before Redis lost the rest.
--
-- Arguments: fields (of the whole transaction), index (its rows, with scores), in_totals (what was done is to be added to the totals:
--   they have lost it, too).
-- Answers: found (it is back already) | restored.
local known = {}
if get('state') ~= '' then
  if not came_to_nothing() then return answer('found') end
  for act = 0, number('acts') - 1 do known[get('a' .. act).oid] = get(act_field(act, 'state')) == 'done' end
  -- An attempt that sleeps since must not find its number again.
  arg.fields.date, arg.fields.attempt, arg.fields.late = number('date'), number('attempt'), get('late')
  for field in pairs(fields) do set(field, '') end
  redis.call('ZREM', over, arg.id)
else
  redis.call('ZADD', all, arg.fields.date, arg.id)
  redis.call('ZADD', index, unpack(arg.index))
end
for field, value in pairs(arg.fields) do set(field, value) end
if arg.fields.state ~= 'abandoned' then redis.call('ZADD', of_card, arg.fields.date, arg.id) end
for act = 0, arg.in_totals and number('acts') - 1 or -1 do
  local done = get('a' .. act)
  if get(act_field(act, 'state')) == 'done' and not known[done.oid] then
    local voided, refunded = number(act_field(act, 'voided')), number(act_field(act, 'refunded'))
    enter(math.min(now, number(act_field(act, 'date'))), done.kind, done.amount, voided, refunded)
  end
end
arm()
note('restored')
return answer('restored')
