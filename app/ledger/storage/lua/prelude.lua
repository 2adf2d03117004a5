-- What every script shares. A script validates first and writes last: Lua has no way back.
--
-- Keys: transaction, card, due, events, of_card, all, parked, index, over, given, terms, only, totals,
--   packed, complete. All carry the hash tag of one card's bucket, so they live in one cluster slot, and so do the totals of each day,
--   which begin with `totals`. FORMAT.md, beside this folder, lists every key and field.
-- Arguments: one JSON object, and the memo of a new transaction; where the script answered `packed`, also the transaction
--   and its history as they are unpacked, and its row among the packed ones. Always in the object: id, provider, card, backend, lease,
--   abandon_after, retention (milliseconds); knows_memo where the answer needs none.
-- Answer: {answer, now, the transaction's fields (JSON), its memo, the card's standing, busy}; with a lease also
--   in_flight_until and nothing_sent as they were before, '1' where the card's terms are known to allow it, and '1'
--   where Redis may have forgotten something.
-- Time is that of Redis, in milliseconds. Amounts are integers of the smallest unit, below 10^14, which Lua and cjson
--   carry exactly.
local transaction, card, due, events, of_card, all, parked, index, over, given, terms, only, totals, packed, complete
  = unpack(KEYS)
local arg = cjson.decode(ARGV[1])

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- What lies before it is certainly over: a clock that was just set ahead is not believed.
local passed = math.min(now, arg.latest or now)

-- What was dated further ahead than it may be, but for this, was dated while the clock was ahead.
local set_back = 300000
local longest_lag = 3600000

-- The last second of the year 9999: recovery.py sets it.
local never = 253402300799000

-- Of a transaction as format 2 had it, a hash, these were numbers.
local function from_format_2(flat)
  local numbers, found = {}, {}
  for _, name in ipairs({'amount', 'authorization_ttl', 'date', 'acts', 'opened_by', 'unresolved', 'captured', 'voided',
    'refunded', 'attempt', 'lease_until', 'in_flight_until', 'retry_at', 'expires_at', 'done_at', 'steps_done',
    'failures', 'set_aside'}) do
    numbers[name] = true
  end
  for at = 1, #flat, 2 do
    local field, value = flat[at], flat[at + 1]
    if numbers[string.match(field, '[^.]+$')] then value = tonumber(value) end
    if string.match(field, '^a%d+$') then value = cjson.decode(value) end
    local empty = value == '' or value == 0 and field ~= 'unresolved'
    if not empty and string.sub(field, 1, 4) ~= 'oid:' then found[field] = value end
  end
  if found.version == '2' then found.version = 3 end
  local memo = found.memo
  found.memo = nil
  return found, memo
end

-- A transaction is read once and written once, by `answer`: a line of JSON with its fields, then its memo, which no script
-- looks into. What is empty or 0 is left out, but for the number of the unresolved act. Format 2 was a hash.
local stored, head, memo, fields = redis.pcall('GET', transaction), nil, ARGV[2], {}

-- One that has been over for a while is packed, with its history: the process unpacks it, and says what it unpacked.
local history, packed_row
if type(stored) == 'string' and string.sub(stored, 1, 12) == '{"version":4' then
  if arg.unpacked ~= redis.sha1hex(stored) then return {'packed', stored} end
  stored, history, packed_row = ARGV[3], ARGV[4], ARGV[5]
end

if type(stored) == 'string' then
  local line = string.find(stored, '\n', 1, true)
  head, memo = string.sub(stored, 1, line - 1), string.sub(stored, line + 1)
  fields = cjson.decode(head)
elseif stored then
  fields, memo = from_format_2(redis.call('HGETALL', transaction))
  head = cjson.encode(fields)
end

-- What another version of the service wrote is not touched, nor what was opened at another backend.
if stored then
  if fields.version ~= 3 then return {'other format', tostring(fields.version or '')} end
  if fields.backend ~= arg.backend then return {'other backend', fields.backend} end
end

local function get(field)
  return fields[field] or ''
end

local function number(field)
  return fields[field] or 0
end

-- Nothing is written beside a packed value: the transaction takes its place, whole, and its history. It is over until
-- `arm` says otherwise.
local function leave_packed()
  if not history then return end
  for event in string.gmatch(history, '[^\n]+') do redis.call('RPUSH', events, event) end
  redis.call('LREM', packed, -1, packed_row)
  redis.call('ZADD', over, arg.over_since + arg.retention, arg.id)
  history, head = nil, nil
end

local function set(...)
  leave_packed()
  local told = {...}
  for at = 1, #told, 2 do
    local field, value = told[at], told[at + 1]
    if value == '' or value == 0 and field ~= 'unresolved' then value = nil end
    fields[field] = value
  end
  head = nil
end

local function add(field, amount)
  if amount ~= 0 then set(field, number(field) + amount) end
end

local function bring_back(field, longest, to)
  if number(field) <= now + longest + set_back then return false end
  set(field, to)
  return true
end

-- How the card stands is read once and written once, too.
local standing, moved = redis.call('HGETALL', card), {}
for at = 1, #standing, 2 do standing[standing[at]] = standing[at + 1] end
for _, field in ipairs({'lagging_since', 'lagging_until', 'lagging_before_until'}) do
  if tonumber(standing[field] or 0) > now + longest_lag then standing[field] = '0' end
end

local function on_card(field)
  return tonumber(standing[field] or 0)
end

local function set_on_card(field, value)
  standing[field], moved[field] = value, value
end

local function add_on_card(field, amount)
  if amount ~= 0 then set_on_card(field, on_card(field) + amount) end
end

local function note(what)
  leave_packed()
  redis.call('RPUSH', events, cjson.encode({at = now, what = what, by = arg.by, correlation = arg.correlation,
    act = arg.oid, attempt = number('attempt'), detail = arg.detail}))
end

local function lagging()
  local latest = on_card('lagging_until') > passed and on_card('lagging') or 0
  return latest + (on_card('lagging_before_until') > passed and on_card('lagging_before') or 0)
end

-- For how long yet the backend may not show what was given to the card.
local function unseen_for()
  local until_then = tonumber(redis.call('GET', given) or '0')
  return until_then > now + longest_lag and 0 or math.max(0, until_then - passed)
end

-- Writes what the script has changed, whole, and answers.
local function answer(status)
  if not head and next(fields) then
    head = cjson.encode(fields)
    redis.call('SET', transaction, head .. '\n' .. memo)
  end
  if next(moved) then
    local changes = {}
    for field, value in pairs(moved) do
      changes[#changes + 1] = field
      changes[#changes + 1] = value
    end
    redis.call('HSET', card, unpack(changes))
  end
  return {status, now, head or '', arg.knows_memo and '' or memo,
    {on_card('epoch'), on_card('reserved'), on_card('taking'), on_card('upfront'), lagging(), unseen_for()},
    standing.busy or ''}
end

-- Whether it was seen lately that the card may be used so: for any number of such transactions, by one of arg.payers.
local function allowed(kind)
  local seen = arg.payers and redis.call('GET', terms)
  if not seen then return false end
  seen = cjson.decode(seen)
  local function has(list, wanted)
    for _, one in ipairs(list) do
      if one == wanted then return true end
    end
    return false
  end
  if not has(seen.any_number_of, kind) then return false end
  if kind == 'credit' then return true end
  for _, payer in ipairs(arg.payers) do
    if has(seen.payers, payer) then return true end
  end
  return false
end

-- Whether Redis may have forgotten something.
local doubted
local function in_doubt()
  if doubted == nil then doubted = redis.call('SISMEMBER', complete, 'doubted') == 1 end
  return doubted
end

-- The answer of a script that gives a lease: also until when what was sent for the act before may still arrive
-- (0: nothing can), '1' where nothing was sent, and '1' where Redis may have forgotten something.
local function answer_with_lease(status, in_flight_until, nothing_sent)
  local result = answer(status)
  result[7], result[8], result[9] = in_flight_until, nothing_sent, allowed(arg.kind) and '1' or ''
  result[10] = in_doubt() and '1' or ''
  return result
end

-- A success too late to count keeps the transaction in sight until a person has seen to it.
local function no_longer_parked()
  if get('late') == '' then redis.call('SREM', parked, arg.id) end
end

local function act_field(act, name)
  return 'a' .. act .. '.' .. name
end

local function act_named(oid)
  for act = 0, number('acts') - 1 do
    if get('a' .. act).oid == oid then return act end
  end
end

-- Whether it was abandoned, and nothing of it is left to be undone.
local function came_to_nothing()
  return get('state') == 'abandoned' and get('unresolved') == '' and number('retry_at') == 0
end

local function unresolved(state)
  return state == 'pending' or state == 'accepted' or state == 'parked'
end

-- Whether an act has steps at the backend that must not overlap with others on the same card.
local function needs_card(kind, refunded)
  if not arg.one_step_at_a_time then return false end
  local holds = get('holds')
  if holds == '' then holds = arg.holds end
  if holds == 'ledger' then
    return kind == 'capture' or kind == 'credit' or refunded > 0 or get('operation') == 'Credit'
  end
  if holds == 'upfront' then return kind ~= 'capture' end
  return true
end

local function card_is_taken(kind, refunded)
  return standing.busy and standing.busy ~= transaction and needs_card(kind, refunded)
end

local function take_card(kind, refunded)
  if needs_card(kind, refunded) then set_on_card('busy', transaction) end
end

local function free_card()
  if standing.busy ~= transaction then return end
  set_on_card('busy', nil)
  redis.call('HDEL', card, 'busy')
end

-- From now on only this attempt may run steps, until its lease is over; what it sends may arrive until then. Should it
-- die, the next one comes then, however long the last failure was to be waited for.
local function take_lease()
  add('attempt', 1)
  set('lease_until', now + arg.lease, 'in_flight_until', now + arg.lease, 'retry_at', 0)
end

-- Puts the transaction into the due queue for the next moment somebody must look at it; where it is over, beside it.
local function arm()
  local first, state, at = get('unresolved'), get('state'), nil
  if first ~= '' then
    at = math.max(number('lease_until'), number('retry_at'))
  elseif number('retry_at') > 0 then
    -- What the ledger wanted by itself was refused.
    at = number('retry_at')
  elseif state == 'authorized' and get('acknowledged') == '' then
    at = now + arg.abandon_after
  elseif state == 'authorized' and get('operation') == 'Debit' then
    at = number('expires_at')
  else
    redis.call('ZREM', due, arg.id)
    redis.call('ZADD', over, now + arg.retention, arg.id)
    return
  end
  redis.call('ZADD', due, at, arg.id)
  if number('acts') > 1 then redis.call('ZREM', over, arg.id) end
end

-- Whether a step of the act happened that is more than a look.
local function something_happened(act)
  local steps = get(act_field(act, 'steps'))
  if steps == '' then return false end
  for _, step in ipairs(cjson.decode(steps)) do
    if step.verb ~= 'look' and (step.receipt or cjson.null) ~= cjson.null then return true end
  end
  return false
end

-- Whether a settlement or cancellation was refused that is still missing: none like it was done since, and nobody has
-- seen to it. What the ledger wants by itself is missing while it is to be tried again.
local function misses_a_refused_one()
  local done = {}
  for act = number('acts') - 1, 0, -1 do
    local state = get(act_field(act, 'state'))
    if state == 'done' or state == 'refused' and get(act_field(act, 'seen_to')) == '' then
      local wanted = get('a' .. act)
      local by_itself = wanted.reason ~= 'request' and wanted.reason ~= 'by hand'
      if state == 'done' then
        done[wanted.kind] = math.max(done[wanted.kind] or 0, wanted.amount)
      elseif wanted.kind ~= 'debit' and wanted.kind ~= 'credit' and (done[wanted.kind] or 0) < wanted.amount
        and (not by_itself or number('retry_at') > 0) then
        return true
      end
    end
  end
  return false
end

local refused_row = 'refused:' .. arg.id

-- Keeps a transaction that misses a refused act where it is found by that.
local function index_refused()
  if misses_a_refused_one() then
    redis.call('ZADD', index, 0, refused_row)
  else
    redis.call('ZREM', index, refused_row)
  end
end

local function still_refused()
  if redis.call('ZSCORE', index, refused_row) then index_refused() end
end

-- Adds an unresolved act. Its amounts count against the caps from here on.
local function begin(act, state, voided, refunded)
  set('a' .. act, arg.act, act_field(act, 'state'), state, act_field(act, 'date'), now,
    act_field(act, 'voided'), voided, act_field(act, 'refunded'), refunded, act_field(act, 'nothing_sent'), '',
    act_field(act, 'failures'), 0)
  if act >= number('acts') then set('acts', act + 1) end
  if get('unresolved') == '' then set('unresolved', act) end
end

-- Whether it is the ledger that holds the transaction's money, not the backend.
local function reserved_here()
  return get('holds') == 'ledger' and get('operation') == 'Debit'
end

local function count(kind, amount, voided, refunded, sign)
  if kind == 'capture' then add('captured', sign * amount) end
  add('voided', sign * voided)
  add('refunded', sign * refunded)
  if kind == 'capture' and reserved_here() then add_on_card('taking', sign * amount) end
end

-- Seconds of a day, and for how many days its totals are kept after it.
local day_seconds, days_kept = 86400, 400

local function add_to_totals(day, what, amount)
  if amount == 0 then return end
  local of_day, field = totals .. ':' .. day, arg.provider .. '/' .. string.match(arg.backend, '/.-/(.+)') .. '/' .. what
  redis.call('HINCRBY', totals, field, amount)
  redis.call('HINCRBY', of_day, field, amount)
  if redis.call('HINCRBY', of_day, field .. '.acts', 1) == 1 then
    redis.call('EXPIRE', of_day, (day + 1 + days_kept) * day_seconds - clock[1])
  end
end

-- Adds an act that was done at a time to the totals: of its day (UTC), and of all time. What a settlement takes was held;
-- one of a credit moves nothing.
local function enter(at, kind, amount, voided, refunded)
  local day = math.floor(at / 1000 / day_seconds)
  if kind == 'debit' then
    add_to_totals(day, 'authorized', amount)
  elseif kind == 'credit' then
    add_to_totals(day, 'credited', amount)
  elseif get('operation') == 'Credit' then
    add_to_totals(day, 'taken_back', voided + refunded)
  elseif kind == 'capture' then
    add_to_totals(day, 'captured', amount)
  else
    add_to_totals(day, 'voided', voided)
    add_to_totals(day, 'refunded', refunded)
  end
end

local function change_aside(act, kind, kept)
  add_on_card('reserved', kept)
  add_on_card('taking', kept)
  if kind == 'debit' then add_on_card('upfront', kept) end
  add(act_field(act, 'set_aside'), kept)
end

-- Money of the card that an act is about to take is not to be had meanwhile: all of a debit upfront, all of a credit
-- that is taken back, and what stays taken where a refund in part may put back everything, only to take that again.
local function set_aside(act, kind, voided, refunded)
  local holds = get('holds')
  if holds == 'native' then return end
  if get('operation') == 'Credit' then
    change_aside(act, kind, voided + refunded)
  elseif holds == 'ledger' and refunded > 0 then
    change_aside(act, kind, number('captured') - number('refunded'))
  elseif holds == 'upfront' then
    change_aside(act, kind, number('amount') - number('voided') - number('refunded'))
  end
end

local function no_longer_aside(act, kind)
  change_aside(act, kind, -number(act_field(act, 'set_aside')))
end

-- The act is resolved: the next promised one, if any, is now the first unresolved.
local function move_on()
  local first = ''
  for act = 0, number('acts') - 1 do
    if unresolved(get(act_field(act, 'state'))) then first = act break end
  end
  set('unresolved', first, 'lease_until', 0, 'in_flight_until', 0, 'retry_at', 0)
  free_card()
  arm()
end

-- A balance that is read within the backend's read lag may still hold what was just taken. It is added up in windows as
-- long as the lag: while more and more is taken, the last two hold all that counts, and older ones are forgotten.
local function not_shown_yet(amount)
  if arg.read_lag == 0 then return end
  if on_card('lagging_since') + arg.read_lag <= now then
    set_on_card('lagging_before', on_card('lagging'))
    set_on_card('lagging_before_until', on_card('lagging_until'))
    set_on_card('lagging', 0)
    set_on_card('lagging_since', now)
  end
  add_on_card('lagging', amount)
  set_on_card('lagging_until', now + arg.read_lag)
end

-- What was given to the card may not be there yet for what is to be taken from it next.
local function just_given()
  if arg.read_lag > 0 then redis.call('SET', given, now + arg.read_lag, 'PX', arg.unseen_kept) end
end

-- Reserved money of the card became taken money, or free again. The epoch tells those who read a balance before.
local function convert(kind, amount, voided, refunded)
  local holds = get('holds')
  if kind == 'credit' or kind == 'reversal' and get('operation') == 'Debit' then just_given() end
  if holds ~= 'native' and get('operation') == 'Credit' and voided + refunded > 0 then
    add_on_card('epoch', 1)
    not_shown_yet(voided + refunded)
  elseif holds == 'upfront' and kind ~= 'capture' then
    add_on_card('epoch', 1)
    if kind == 'debit' then not_shown_yet(amount) end
  end
  if not reserved_here() then return end
  add_on_card('reserved', -(kind == 'capture' and amount or voided))
  if kind == 'capture' then
    add_on_card('taking', -amount)
    not_shown_yet(amount)
  end
  if kind == 'capture' or refunded > 0 then add_on_card('epoch', 1) end
end

-- Nobody waits for a day that only a wrong clock knew.
local until_tried_again = get('unresolved') ~= '' and 3600000 or day_seconds * 1000
bring_back('in_flight_until', arg.lease, now + arg.lease)
local leased = bring_back('lease_until', arg.lease, now + arg.lease)
local waiting = bring_back('retry_at', until_tried_again, now)
if leased or waiting then arm() end
