-- Writes a transaction that Redis had lost and the backend still knew, or that was abandoned before Redis lost the rest.
--
-- Arguments: fields (of the whole transaction), index (its rows, with scores), after_attempt (of what was abandoned: only
--   where this was the latest), too_late (oids of what opened it too late to count), in_totals (what was done is to be
--   added to the totals: they have lost it, too).
-- Answers: found (it is back already, or was attempted since) | restored.
local known = {}
if get('state') ~= '' then
  if not came_to_nothing() or number('attempt') ~= arg.after_attempt then return answer('found') end
  for act = 0, number('acts') - 1 do known[get('a' .. act).oid] = get(act_field(act, 'state')) == 'done' end
  arg.fields.late = get('late')
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
for _, oid in ipairs(arg.too_late) do
  arg.oid = oid
  set('late', '1')
  redis.call('SADD', parked, arg.id)
  note('late, not counted')
end
return answer('restored')
