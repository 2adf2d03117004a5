-- What every script shares. A script validates first and writes last: Lua has no way back.
-- All keys belong to one card and carry its bucket's hash tag, so they live in one cluster slot.
-- Time is the store's own; amounts are integers of the smallest unit, below 10^14, which Lua and cjson carry exactly.
local transaction, card, due, events, of_card, all, parked, index = unpack(KEYS)
local arg = cjson.decode(ARGV[1])

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function get(field)
  return redis.call('HGET', transaction, field) or ''
end

local function number(field)
  return tonumber(redis.call('HGET', transaction, field) or '0')
end

local function set(...)
  redis.call('HSET', transaction, ...)
end

local function on_card(field)
  return tonumber(redis.call('HGET', card, field) or '0')
end

local function note(what)
  redis.call('RPUSH', events, cjson.encode({at = now, what = what, by = arg.by, correlation = arg.correlation,
    act = arg.oid, attempt = number('attempt'), detail = arg.detail}))
end

local function answer(status)
  return {status, now, redis.call('HGETALL', transaction),
    {on_card('epoch'), on_card('reserved'), redis.call('HGET', card, 'busy') or ''}}
end

-- The answer of a script that gives the right to run an act: also until when what was sent for it before may still
-- arrive (0: nothing can), and '1' when nothing was.
local function answer_with_claim(status, quiet, clean)
  local result = answer(status)
  result[5], result[6] = quiet, clean
  return result
end

local function act_field(act, name)
  return 'a' .. act .. '.' .. name
end

local function unresolved(state)
  return state == 'opening' or state == 'accepted' or state == 'parked'
end

-- Whether an act has steps at the backend that must not overlap with others on the same card.
local function needs_card(kind, refunded)
  if not arg.one_step_at_a_time then return false end
  local holds = get('holds')
  if holds == '' then holds = arg.holds end
  if holds == 'ledger' then return kind == 'capture' or kind == 'credit' or refunded > 0 end
  if holds == 'upfront' then return kind ~= 'capture' end
  return true
end

local function card_is_taken(kind, refunded)
  local busy = redis.call('HGET', card, 'busy')
  return busy and busy ~= transaction and needs_card(kind, refunded)
end

local function take_card(kind, refunded)
  if needs_card(kind, refunded) then redis.call('HSET', card, 'busy', transaction) end
end

local function free_card()
  if redis.call('HGET', card, 'busy') == transaction then redis.call('HDEL', card, 'busy') end
end

-- From now on only this attempt may run steps, until its lease is over; what it sends may arrive until then.
local function take_lease()
  redis.call('HINCRBY', transaction, 'attempt', 1)
  set('lease', now + arg.lease, 'quiet', now + arg.lease)
end

-- Puts the transaction into the due queue for the next moment somebody must look at it.
local function arm()
  local open, state, at = get('open'), get('state'), nil
  if open ~= '' then
    at = math.max(number('lease'), number('retry'))
  elseif state == 'authorised' and get('claimed') == '' then
    at = now + arg.abandon_after
  elseif state == 'authorised' and get('operation') == 'Debit' then
    at = number('expires')
  else
    at = now + arg.retention
  end
  redis.call('ZADD', due, at, arg.id)
end

-- Adds an unresolved act. Its amounts count against the caps from here on.
local function begin(act, state, released, refunded)
  set('a' .. act, arg.act, act_field(act, 'state'), state, act_field(act, 'date'), now,
    act_field(act, 'released'), released, act_field(act, 'refunded'), refunded, act_field(act, 'clean'), '',
    'o:' .. arg.oid, act)
  if act >= number('acts') then set('acts', act + 1) end
  if get('open') == '' then set('open', act) end
end

local function count(kind, amount, released, refunded, sign)
  if kind == 'capture' then redis.call('HINCRBY', transaction, 'captured', sign * amount) end
  redis.call('HINCRBY', transaction, 'released', sign * released)
  redis.call('HINCRBY', transaction, 'refunded', sign * refunded)
  if kind == 'capture' and get('holds') == 'ledger' then redis.call('HINCRBY', card, 'taking', sign * amount) end
end

-- A refund may put back all that was taken, only to take what is kept of it again: until then it is not to be had.
local function set_aside(act, kept)
  set(act_field(act, 'kept'), kept)
  redis.call('HINCRBY', card, 'reserved', kept)
  redis.call('HINCRBY', card, 'taking', kept)
end

local function no_longer_aside(act)
  local kept = number(act_field(act, 'kept'))
  if kept ~= 0 then set_aside(act, -kept) end
  set(act_field(act, 'kept'), 0)
end

-- The act is resolved: the next promised one, if any, is now the first unresolved.
local function move_on()
  local open = ''
  for act = 0, number('acts') - 1 do
    if unresolved(get(act_field(act, 'state'))) then open = act break end
  end
  set('open', open, 'lease', 0, 'quiet', 0, 'retry', 0)
  free_card()
  arm()
end

-- Reserved money of the card became taken money, or free again. The epoch tells those who read a balance before.
local function convert(kind, amount, released, refunded)
  if get('holds') ~= 'ledger' or get('operation') ~= 'Debit' then return end
  redis.call('HINCRBY', card, 'reserved', -(kind == 'capture' and amount or released))
  if kind == 'capture' then redis.call('HINCRBY', card, 'taking', -amount) end
  if kind == 'capture' or refunded > 0 then redis.call('HINCRBY', card, 'epoch', 1) end
end
