-- Takes over the first unresolved act, when nobody is at it.
-- Answers: missing | nothing | seen to | held | card busy | leased (then with a lease).
if get('state') == '' then return answer('missing') end
local open = get('open')
if open == '' then
  -- A success that came too late to count has nothing open: a person only says that it was seen to.
  if arg.unpark and redis.call('SREM', parked, arg.id) == 1 then
    set('late', '')
    note('seen to')
    return answer('seen to')
  end
  return answer('nothing')
end
if number('lease') > now then return answer('held') end
local act = tonumber(open)
local is_parked = get(act_field(act, 'state')) == 'parked'
if arg.unpark and not is_parked then return answer('nothing') end
local kind = cjson.decode(get('a' .. act)).kind
local refunded = number(act_field(act, 'refunded'))
if arg.unpark or not is_parked then
  if card_is_taken(kind, refunded) then return answer('card busy') end
  take_card(kind, refunded)
end
if arg.unpark then
  set(act_field(act, 'state'), get(act_field(act, 'promised')) == '1' and 'accepted' or 'pending')
  set(act_field(act, 'decided'), arg.decided)
  no_longer_parked()
  note('decided')
end
local quiet, clean = number('quiet'), get(act_field(act, 'clean'))
-- A lease that was not given back: whoever had it may have died, or may be asleep and go on later.
if number('lease') > 0 then set(act_field(act, 'overtaken'), '1') end
-- From here on this attempt may send: whoever comes after it must ask.
set(act_field(act, 'clean'), '')
take_lease()
arm()
return answer_with_lease('leased', quiet, clean)
