-- Writes what became of an act's step. A success is accepted from any attempt, anything else only from the attempt
-- that holds the lease.
--
-- Arguments: outcome (progress | upfront | done | refused | parked | unknown), number (of the act), attempt, oid,
--   steps (JSON), steps_done, by, correlation, detail; and
--   upfront (the money is to be taken at once, not held): epoch and balance as for done, one_step_at_a_time;
--   done: epoch and balance (read for a reservation), wanted, closed_as, authorization_ttl, remainder_ttl, read_lag,
--     undo and undo_oid (the act that undoes an opening which was refused before);
--   refused: error (JSON), abandoned, retry (of what the ledger wants by itself); parked: error, retry, nothing_sent;
--   unknown: retry, in_flight (nothing arrives later than this from now), in_flight_before (what the attempts before
--     left), nothing_sent.
-- Answers: stale (another attempt took over, or Redis has forgotten the act) | ok | late (it had been refused) |
--   moved (the card's epoch, or a step on it is under way: read the balance again) | short (the card cannot pay).
local act = arg.number
local state = get(act_field(act, 'state'))
local mine = number('attempt') == arg.attempt and get('unresolved') == act
local information = get('a' .. act)
-- After a failover another act may have its number.
if information.oid ~= arg.oid then return answer('stale') end
local kind, amount = information.kind, information.amount
local voided, refunded = number(act_field(act, 'voided')), number(act_field(act, 'refunded'))
local opens = kind == 'debit' or kind == 'credit'
local holds = get('holds')

local function keep_steps()
  if mine then set(act_field(act, 'decision'), '') end
  -- An attempt that was overtaken knows of fewer steps than the one that overtook it, or of an older look.
  local known = number(act_field(act, 'steps_done'))
  if arg.steps and (arg.steps_done > known or mine and arg.steps_done == known) then
    set(act_field(act, 'steps'), arg.steps, act_field(act, 'steps_done'), arg.steps_done)
  end
end

if arg.outcome == 'progress' then
  if not unresolved(state) then return answer('stale') end
  local news = arg.steps_done > number(act_field(act, 'steps_done')) and 'step done' or 'going on'
  keep_steps()
  note(news)
  return answer(mine and 'ok' or 'stale')
end

if arg.outcome == 'upfront' and holds ~= 'ledger' then return answer('stale') end

if arg.outcome == 'done' or arg.outcome == 'upfront' then
  if state == 'done' then return answer('ok') end

  if kind == 'debit' and holds == 'ledger' then
    if not mine then return answer('stale') end
    if on_card('epoch') ~= arg.epoch then return answer('moved') end
    local free = arg.balance - on_card('reserved')
    if amount > free - lagging() then
      -- Money on its way from reserved to taken may be counted twice: only certain when it would not fit anyway. Where
      -- steps do not overlap, the one under way may be the first of two, and the second put back what this one took.
      local moving = amount <= free + on_card('taking') or standing.busy
      return answer(moving and 'moved' or 'short')
    end
    if arg.outcome == 'upfront' then
      -- What is under way on the card must not overlap with what is about to be taken.
      if standing.busy then return answer('moved') end
      set('holds', 'upfront')
      set_aside(act, kind, 0, 0)
      take_card(kind, 0)
      set('lease_until', now + arg.lease, 'in_flight_until', now + arg.lease)
      arm()
      note('taken at once')
      return answer('ok')
    end
    add_on_card('reserved', amount)
  end

  if state == 'refused' then
    -- It happened after all. What opened the transaction is undone; anything else counts where the caps still allow it.
    local reserved = number('amount') - number('captured') - number('voided')
    local taken = kind == 'capture' and amount or 0
    keep_steps()
    local over_the_cap = taken + voided > reserved or refunded > number('captured') - number('refunded')
    if opens and act ~= number('opened_by') or over_the_cap then
      redis.call('SADD', parked, arg.id)
      set('late', '1')
      note('late, not counted')
      return answer('late')
    end
    set(act_field(act, 'state'), 'done', act_field(act, 'done_at'), now)
    enter(now, kind, amount, voided, refunded)
    if get('unresolved') == '' then set('retry_at', 0) end
    note('late')
    count(kind, amount, voided, refunded, 1)
    convert(kind, amount, voided, refunded)
    if opens then
      arg.act, arg.oid = arg.undo, arg.undo_oid
      count('reversal', 0, number('amount'), 0, 1)
      set_aside(number('acts'), 'reversal', number('amount'), 0)
      begin(number('acts'), 'pending', number('amount'), 0)
      set('lease_until', 0, 'in_flight_until', 0, 'retry_at', 0)
      note('opened')
    elseif get('state') == 'authorized' and number('captured') + number('voided') == number('amount') then
      set('state', 'closed')
    end
    arm()
    still_refused()
    return answer('late')
  end

  keep_steps()
  set(act_field(act, 'state'), 'done', act_field(act, 'done_at'), now)
  enter(now, kind, amount, voided, refunded)
  if state == 'parked' then no_longer_parked() end
  no_longer_aside(act, kind)
  convert(kind, amount, voided, refunded)
  if opens then
    set('state', 'authorized', 'expires_at', now + arg.authorization_ttl)
    if arg.wanted then set('acknowledged', '1') end
    redis.call('ZADD', of_card, number('date'), arg.id)
  else
    -- One that never expires lacks settlements, perhaps: Redis had lost it.
    if kind == 'capture' and number('expires_at') < never then set('expires_at', now + arg.remainder_ttl) end
    if number('captured') + number('voided') == number('amount') then
      set('state', arg.closed_as)
      if arg.closed_as == 'abandoned' then redis.call('ZREM', of_card, arg.id) end
    end
  end
  move_on()
  still_refused()
  note('done')
  return answer('ok')
end

if not mine then return answer('stale') end
keep_steps()

-- What waits behind a promise that is broken was to give back money that is still held: it is voided, and not refunded.
local function give_back_what_is_held()
  for other = number('acts') - 1, 0, -1 do
    local over = math.min(number('refunded') - number('captured'), number(act_field(other, 'refunded')))
    if over > 0 and unresolved(get(act_field(other, 'state'))) and not something_happened(other) then
      no_longer_aside(other, 'reversal')
      count('reversal', 0, over, -over, 1)
      set(act_field(other, 'voided'), number(act_field(other, 'voided')) + over,
        act_field(other, 'refunded'), number(act_field(other, 'refunded')) - over,
        act_field(other, 'steps'), '', act_field(other, 'steps_done'), 0)
      set_aside(other, 'reversal', number(act_field(other, 'voided')), number(act_field(other, 'refunded')))
    end
  end
end

if arg.outcome == 'refused' then
  if state == 'parked' then no_longer_parked() end
  no_longer_aside(act, kind)
  count(kind, amount, voided, refunded, -1)
  give_back_what_is_held()
  set(act_field(act, 'state'), 'refused', act_field(act, 'error'), arg.error)
  if opens then
    set('state', arg.abandoned and 'abandoned' or 'refused')
  elseif get('state') == 'closed' and number('captured') + number('voided') < number('amount') then
    set('state', 'authorized')
  end
  move_on()
  if arg.retry then
    set('retry_at', now + arg.retry)
    arm()
  end
  index_refused()
  note(arg.abandoned and 'abandoned' or state == 'accepted' and 'promise broken' or 'refused')
elseif arg.outcome == 'parked' then
  set('lease_until', 0, 'in_flight_until', 0, 'retry_at', now + arg.retry)
  set(act_field(act, 'state'), 'parked', act_field(act, 'error'), arg.error,
    act_field(act, 'nothing_sent'), arg.nothing_sent and get(act_field(act, 'overtaken')) == '' and '1' or '')
  redis.call('SADD', parked, arg.id)
  free_card()
  arm()
  note('parked')
else -- unknown: whoever comes next asks, or repeats
  local in_flight_until = number('in_flight_until')
  if arg.in_flight then in_flight_until = math.max(arg.in_flight_before, now + arg.in_flight) end
  set('lease_until', 0, 'in_flight_until', in_flight_until, 'retry_at', now + arg.retry,
    act_field(act, 'nothing_sent'), arg.nothing_sent and '1' or '')
  add(act_field(act, 'failures'), 1)
  arm()
  note('unknown')
end
return answer('ok')
