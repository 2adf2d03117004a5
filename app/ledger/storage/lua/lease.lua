-- Takes the lease of the first unresolved act, where nobody has it.
--
-- Arguments: one_step_at_a_time, wanted (somebody waits for an opening), by, correlation; of a person who decides about a parked act also unpark, number and
--   step (of the act that the person saw, without them: a late success), decision (JSON) and detail; of one who has
--   seen to a refused act, seen_to (its number) and oid.
-- Answers: nothing (is there, is unresolved or is to be decided) | seen to (a late success or a refusal was noted) |
--   another (act, or another step of it, is open than the person saw) | held (by another attempt) | card busy |
--   leased (with a lease).
if arg.seen_to then
  local refused = arg.seen_to
  if get(act_field(refused, 'state')) ~= 'refused' then return answer('nothing') end
  set(act_field(refused, 'seen_to'), '1')
  still_refused()
  note('seen to')
  return answer('seen to')
end
local first = get('unresolved')
if first == '' then
  -- A success that came too late to count has nothing unresolved: a person only says that it was seen to.
  if arg.unpark and not arg.number and redis.call('SREM', parked, arg.id) == 1 then
    set('late', '')
    note('seen to')
    return answer('seen to')
  end
  return answer('nothing')
end
if number('lease_until') > passed then return answer('held') end
local act = first
local is_parked = get(act_field(act, 'state')) == 'parked'
if arg.unpark and not is_parked then return answer('nothing') end
if arg.unpark and (arg.number ~= act or arg.step ~= number(act_field(act, 'steps_done')) + 1) then
  return answer('another')
end
local kind = get('a' .. act).kind
local refunded = number(act_field(act, 'refunded'))
if arg.unpark or not is_parked then
  if card_is_taken(kind, refunded) then return answer('card busy') end
  take_card(kind, refunded)
end
if arg.unpark then
  set(act_field(act, 'state'), get(act_field(act, 'promised')) == '1' and 'accepted' or 'pending')
  set(act_field(act, 'decision'), arg.decision)
  no_longer_parked()
  note('decided')
end
local in_flight_until, nothing_sent = number('in_flight_until'), get(act_field(act, 'nothing_sent'))
-- A lease that was not given back: whoever had it may have died, or may be asleep and go on later.
if number('lease_until') > 0 then set(act_field(act, 'overtaken'), '1') end
-- From here on this attempt may send: whoever comes after it must ask. An opening that nobody wants is not sent.
if arg.wanted or kind ~= 'debit' and kind ~= 'credit' then
  set(act_field(act, 'nothing_sent'), '')
end
take_lease()
arm()
return answer_with_lease('leased', in_flight_until, nothing_sent)
