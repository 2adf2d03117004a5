-- Writes a transaction that Redis had lost and the backend still knew.
--
-- Arguments: fields (of the whole transaction), index (its rows).
-- Answers: found (it is back already) | restored.
if get('state') ~= '' then return answer('found') end
for field, value in pairs(arg.fields) do set(field, value) end
redis.call('ZADD', all, arg.fields.date, arg.id)
if arg.fields.state ~= 'abandoned' then redis.call('ZADD', of_card, arg.fields.date, arg.id) end
for _, row in ipairs(arg.index) do redis.call('ZADD', index, 0, row) end
arm()
note('restored')
return answer('restored')
