-- Finds a transaction by its name, or opens it: the intent is on disk before anything is sent.
--
-- Arguments: kind, amount, holds, one_step_at_a_time, oid, act (what of the act never changes),
--   payers (digests of who pays, by any name), fields (of a new transaction), index (rows under which it can be found, with scores),
--   looked (at what the backend has), list (of the card, where the backend can tell what is missing of it), by, correlation.
-- Answers: found | conflict (another amount) | look first (Redis may have forgotten that it was made) | card busy |
--   opened (with a lease).
local state = get('state')
if state ~= '' and number('amount') ~= arg.amount then return answer('conflict') end
if state ~= '' and not came_to_nothing() then
  if get('acknowledged') == '' and state ~= 'pending' then
    set('acknowledged', '1')
    -- Nobody wants it undone any more.
    if state == 'authorized' then set('retry_at', 0) end
    arm()
    still_refused()
  end
  return answer('found')
end
if not arg.looked then
  local lacks = arg.list and in_doubt() and redis.call('SISMEMBER', complete, arg.list) == 0
  if state ~= '' or lacks then return answer('look first') end
end
if card_is_taken(arg.kind, 0) then return answer('card busy') end

if state == '' then
  fields = arg.fields
  set('version', 3, 'date', now)
  redis.call('ZADD', all, now, arg.id)
  redis.call('ZADD', index, unpack(arg.index))
end
local act = number('acts')
if act > 0 then
  -- Opened again after it was undone: a new name, since the backend has spent the first one.
  local again = act
  for other = 0, act - 1 do
    local before = string.match(get('a' .. other).oid, '%-r(%d+)$')
    if before then again = math.max(again, before + 1) end
  end
  arg.oid = arg.oid .. '-r' .. again
  arg.act.oid = arg.oid
end
set('state', 'pending', 'opened_by', act, 'acknowledged', '', 'captured', 0, 'voided', 0, 'refunded', 0)
begin(act, 'pending', 0, 0)
set_aside(act, arg.kind, 0, 0)
take_card(arg.kind, 0)
take_lease()
arm()
note('opened')
return answer_with_lease('opened', 0, '1')
