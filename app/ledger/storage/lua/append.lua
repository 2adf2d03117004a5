-- Adds a settlement or a cancellation where the caps allow it; finds it where it is there already.
--
-- Arguments: kind, amount, one_step_at_a_time, accept (promise it to VTEX and run it later), due_by (a time, of what is
--   done by time alone: Redis's clock may be wrong by now), only (the one part of the money a cancellation may give
--   back: reserved | settled), after_attempt (only where this was the latest), steps (JSON, of what happened already),
--   steps_done, by_caller, oid, act (what of it never changes), by, correlation.
-- Answers, nothing was written: missing | not due | changed (attempted since) | found | conflict (another amount) |
--   busy (another act is unresolved) | closed | exceeded (over the cap) | other part | card busy.
-- Answers, it was written: accepted | queued (behind what was promised) | opened (with a lease).
local state = get('state')
if get('card') ~= arg.card or get('provider') ~= arg.provider then
  return {'missing', now, '', '', {0, 0, 0, 0, 0}, ''}
end
if arg.due_by then
  local score = redis.call('ZSCORE', due, arg.id)
  if not score or tonumber(score) > arg.due_by then return answer('not due') end
end

if arg.after_attempt and (number('attempt') ~= arg.after_attempt or get('unresolved') ~= '') then
  return answer('changed')
end

local act = act_named(arg.oid)
if act then
  if get('a' .. act).amount ~= arg.amount then return answer('conflict') end
  -- A refused one may be tried again: the card may hold enough by now.
  if get(act_field(act, 'state')) ~= 'refused' then return answer('found') end
end
local first = get('unresolved')
-- A refused one that was asked for again may be older than what was promised.
for other = 0, number('acts') - 1 do
  local other_state = get(act_field(other, 'state'))
  if other_state == 'pending' or other_state == 'parked' then return answer('busy') end
end
-- What would have undone an opening that came too late is tried again although the transaction is over.
local own_again = act and arg.due_by
if state ~= 'authorized' and state ~= 'closed' and state ~= 'expired' and not own_again then return answer('closed') end

local reserved = number('amount') - number('captured') - number('voided')
local voided, refunded = 0, 0
if arg.kind == 'capture' then
  if arg.amount > reserved then return answer('exceeded') end
else
  voided = math.min(arg.amount, reserved)
  refunded = arg.amount - voided
  if refunded > number('captured') - number('refunded') then return answer('exceeded') end
end
if arg.only == 'reserved' and refunded > 0 or arg.only == 'settled' and voided > 0 then
  return answer('other part')
end
if card_is_taken(arg.kind, refunded) then return answer('card busy') end

if arg.by_caller then set('acknowledged', '1') end
count(arg.kind, arg.amount, voided, refunded, 1)
local new = act or number('acts')
-- One that was refused is planned anew, as the transaction stands now, unless a part of the old plan happened.
if act and not something_happened(act) then
  set(act_field(act, 'steps'), '', act_field(act, 'steps_done'), 0)
end
-- An attempt that a refused one was taken from may have been asleep, and have sent it since.
local nothing_sent = get(act_field(new, 'overtaken')) == '' and '1' or ''
-- Whoever asks for it again wants to be told again.
if act and arg.by_caller then set(act_field(act, 'seen_to'), '') end
begin(new, arg.accept and 'accepted' or 'pending', voided, refunded)
if arg.steps then set(act_field(new, 'steps'), arg.steps, act_field(new, 'steps_done'), arg.steps_done) end
if arg.kind == 'reversal' then set_aside(new, arg.kind, voided, refunded) end
if arg.accept or first ~= '' then set(act_field(new, 'nothing_sent'), nothing_sent) end
if arg.accept then
  set(act_field(new, 'promised'), '1')
  arm()
  note('accepted')
  return answer('accepted')
end
if first == '' then
  take_card(arg.kind, refunded)
  take_lease()
end
arm()
note('opened')
if first ~= '' then return answer('queued') end
return answer_with_lease('opened', 0, nothing_sent)
