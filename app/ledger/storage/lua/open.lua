-- Finds a transaction by its name, or opens it: the intent is on disk before anything is sent.
--
-- Arguments: kind, amount, holds, one_step_at_a_time, oid, act (JSON: what of the act never changes),
--   payers (digests of who pays, by any name), fields (of a new transaction), index (rows under which it can be found), by, correlation.
-- Answers: found | conflict (another amount) | card busy | opened (with a lease).
local state = get('state')
if state ~= '' and number('amount') ~= arg.amount then return answer('conflict') end
-- What was abandoned is opened again once nothing of it is left to be undone.
if state ~= '' and not (state == 'abandoned' and get('unresolved') == '' and number('retry_at') == 0) then
  if get('acknowledged') == '' and state ~= 'pending' then
    set('acknowledged', '1')
    -- Nobody wants it undone any more.
    if state == 'authorized' and get('unresolved') == '' then set('retry_at', 0) end
    arm()
    still_refused()
  end
  return answer('found')
end
if card_is_taken(arg.kind, 0) then return answer('card busy') end

if state == '' then
  for field, value in pairs(arg.fields) do set(field, value) end
  set('version', 2, 'date', now, 'acts', 0, 'unresolved', '')
  redis.call('ZADD', all, now, arg.id)
  for _, row in ipairs(arg.index) do redis.call('ZADD', index, 0, row) end
end
local act = number('acts')
if act > 0 then
  -- Opened again after it was undone: a new name, since the backend has spent the first one.
  local again = cjson.decode(arg.act)
  arg.oid = arg.oid .. '-r' .. act
  again.oid = arg.oid
  arg.act = cjson.encode(again)
end
set('state', 'pending', 'opened_by', act, 'acknowledged', '', 'captured', 0, 'voided', 0, 'refunded', 0)
begin(act, 'pending', 0, 0)
set_aside(act, arg.kind, 0, 0)
take_card(arg.kind, 0)
take_lease()
arm()
note('opened')
return answer_with_lease('opened', 0, '1')
