-- Takes over the first unresolved act, when nobody is at it.
-- Answers: missing | nothing | leased | card busy | claimed, and then whether what was sent before may still arrive.
if get('state') == '' then return answer('missing') end
local open = get('open')
if open == '' then return answer('nothing') end
if number('lease') > now then return answer('leased') end
local act = tonumber(open)
if arg.unpark then
  if get(act_field(act, 'state')) ~= 'parked' then return answer('nothing') end
  set(act_field(act, 'state'), 'opening')
  redis.call('SREM', parked, arg.id)
  note('decided')
end
local kind = cjson.decode(get('a' .. act)).kind
local refunded = number(act_field(act, 'refunded'))
if get(act_field(act, 'state')) ~= 'parked' then
  if card_is_taken(kind, refunded) then return answer('card busy') end
  take_card(kind, refunded)
end
local quiet = number('quiet')
take_lease()
arm()
local result = answer('claimed')
result[5] = quiet
return result
