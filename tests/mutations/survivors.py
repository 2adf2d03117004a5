"""Guards whose loss no test of the ledger notices, each with the reason why that is right."""

from __future__ import annotations

_ALWAYS_QUEUED = (
    "every transaction is in a queue until it is forgotten (an invariant of the simulation and the explorer)"
)

_ASKED_AGAIN = "what the script does not know of the card's terms, terms.py finds out: it costs another round trip"

_READ_AGAIN = "a card's epoch that moves for nothing has its balance read once more"

_NOT_WRITTEN = "without a lag nothing counts as not shown yet: it saves writing that"

_ONE_STEP = "an opening is one step, or one after a look"

_YOUNGER = "what was opened in this moment is younger than any doubt: Redis need not be asked for those"

_TYPED = "there is always one: for the type checker"

SURVIVORS = {
    "append.lua: if [not score -> false] or tonumber(score) > arg.due_by then return answer('not due') end": (
        _ALWAYS_QUEUED
    ),
    "forget.lua: if [not score -> false] or tonumber(score) > arg.due_by or get('unresolved') ~= '' then "
    "return answer('not due') end": _ALWAYS_QUEUED,
    "attempt.py: look = self._steps[number - 2] if [number > 1 -> True] else None": "no plan ends with a look",
    "attempt.py: if [not self._found -> False] or (self._mapper.repeatable and not self._unwanted):": _YOUNGER,
    "attempt.py: if [number > 1 -> True] and self._steps[number - 2].verb is Verb.LOOK:": "no plan ends with a look",
    "attempt.py: if [number > 1 and self._steps[number - 2].verb is Verb.LOOK -> True]:": _ONE_STEP,
    "attempt.py: if number > 1 and [self._steps[number - 2].verb is Verb.LOOK -> True]:": _ONE_STEP,
    "executor.py: if [result.answer is LeaseAnswer.CARD_BUSY -> True]:": (
        "where no other transaction keeps the card busy there is none to help"
    ),
    "prelude.lua: if [not seen -> true] then return false end": _ASKED_AGAIN,
    "prelude.lua: if [one == wanted -> false] then return true end": _ASKED_AGAIN,
    "prelude.lua: if [not has(seen.any_number_of, kind) -> true] then return false end": _ASKED_AGAIN,
    "prelude.lua: if [kind == 'credit' -> false] then return true end": _ASKED_AGAIN,
    "prelude.lua: if [has(seen.payers, payer) -> false] then return true end": _ASKED_AGAIN,
    "attempt.py: if not self._act.opens or [self._allowed -> False]:": _ASKED_AGAIN,
    "prelude.lua: if holds ~= 'native' and get('operation') == 'Credit' and [voided + refunded > 0 -> true] then": (
        _READ_AGAIN
    ),
    "prelude.lua: if [kind == 'capture' or refunded > 0 -> true] then add_on_card('epoch', 1) end": _READ_AGAIN,
    "prelude.lua: if [arg.read_lag == 0 -> false] then return end": _NOT_WRITTEN,
    "prelude.lua: if [arg.read_lag > 0 -> true] then redis.call('SET', given, now + arg.read_lag, 'PX', "
    "arg.unseen_kept) end": _NOT_WRITTEN,
    "prelude.lua: if [redis.call('HINCRBY', of_day, field .. '.acts', 1) == 1 -> true] then": (
        "it is told again to end when it ends anyway"
    ),
    "forgotten.py: if not keeps_statement(type(mapper)) or "
    "[not any(record.date < doubt.noticed_at for doubt in doubts()) -> False]:": (
        "the card's statement is read for nothing"
    ),
    "prelude.lua: elseif holds == 'upfront' and [kind ~= 'capture' -> true] then": _READ_AGAIN,
    "prelude.lua: elseif [holds == 'ledger' -> true] and refunded > 0 then": (
        "what was taken upfront is refunded only where nothing is reserved any more: both amounts are the same then"
    ),
    "record.lua: if over > 0 and unresolved(get(act_field(other, 'state'))) and "
    "[not something_happened(other) -> true] then": (
        "what has begun was first in turn; one that was refused since left its hold captured, and then a promise needs "
        "no call that the backend could refuse"
    ),
    "attempt.py: if [step.verb is Verb.LOOK -> True]:": (
        "a plan is pure: after a step that saw nothing it is the same again"
    ),
    "attempt.py: if self._nothing_sent and [self._act.error -> True]:": _TYPED,
    "attempt.py: earlier=tuple(done.receipt for done in steps[: number - 1] if [done.receipt is not None -> True]),": (
        _TYPED
    ),
    "executor.py: record = self._storage.load(transaction_id) if [transaction_id -> True] else None": _TYPED,
    "reservations.py: held_until = datetime.now(UTC) + (record.authorization_ttl or [timedelta() -> False])": _TYPED,
    "attempt.py: if self._mapper.repeatable or asked_for or [not self._found -> False]:": _YOUNGER,
    "prelude.lua: if [doubted == nil -> true] then doubted = redis.call('SISMEMBER', complete, 'doubted') == 1 end": (
        "it is asked for twice; tests/bench counts the commands"
    ),
    "attempt.py: self._told = [self._told -> False] or self._lease.nothing_sent "
    "# Redis has forgotten it: VTEX may have been told": "who waits for it looks again, and it is noted then",
    "attempt.py: if [not self._unwanted -> True] and self._name(number) in there:": (
        "it is asked for by its key in any case"
    ),
    "attempt.py: if self._act.kind is not ActKind.REVERSAL and [not is_refund -> True]:": (
        "no built-in mapper refunds but in a cancellation"
    ),
    "attempt.py: if [self._act.asked_for -> True] and self._name(number) in there:": (
        "what the ledger did by itself has a key, or its mapper asks first"
    ),
    "forgotten.py: if [not keeps_statement(type(mapper)) -> False] or "
    "not any(record.date < doubt.noticed_at for doubt in doubts()):": (
        "such a backend says so itself, after Redis was asked for doubts"
    ),
    "attempt.py: if done.answer is not RecordAnswer.OK or "
    "[Holds.LEDGER not in self._mapper.supported_holds -> False]:": "a mapper that reserves nothing locks nothing",
    "reservations.py: if [Holds.LEDGER not in mapper.supported_holds -> False] or record.holds is Holds.NATIVE:": (
        "nothing is reserved of a card there: it saves the reading of its balance"
    ),
    "reservations.py: return [record.holds is Holds.UPFRONT -> True] and act.opens and "
    "record.operation is Operation.DEBIT": "an opening that the ledger holds has no step to be sent",
    "record.lua: if [state == 'parked' -> true] then no_longer_parked() end (2)": (
        "only the act at hand may be parked, and a late success stays in sight: it saves a command"
    ),
    "record.lua: if [arg.steps -> true] and (arg.steps_done > known or mine and arg.steps_done == known) then": (
        "an attempt that has no steps is at an act that has none"
    ),
    "prelude.lua: if [amount ~= 0 -> true] then set(field, number(field) + amount) end": (
        "whatever adds nothing changes something else as well: it is written once"
    ),
    "prelude.lua: return {status, now, head or '', [arg.knows_memo -> false] and '' or memo,": (
        "who knows the memo does not read it: it saves sending it"
    ),
    "pack.lua: if [type(stored) ~= 'string' -> false] or redis.sha1hex(stored) ~= arg.text then return 'changed' end": (
        "Redis takes what is no text for an empty one, which has another digest"
    ),
    "lost_answers.py: return [self._certain -> True] and self.answered and self._waited_seconds > "
    "self._mapper.read_lag_seconds": "attempt.py believes no refusal either while an earlier call may still arrive",
}
