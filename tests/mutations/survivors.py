"""Guards whose loss no test of the ledger notices, each with the reason why that is right."""

from __future__ import annotations

_ALWAYS_QUEUED = (
    "every transaction is in a queue until it is forgotten (an invariant of the simulation and the explorer)"
)

SURVIVORS = {
    "append.lua: if [state == '' -> false] or get('card') ~= arg.card or get('provider') ~= arg.provider then": (
        "what is not there has no card either"
    ),
    "append.lua: if [not score -> false] or tonumber(score) > arg.due_by then return answer('not due') end": (
        _ALWAYS_QUEUED
    ),
    "forget.lua: if [not score -> false] or tonumber(score) > arg.due_by or get('unresolved') ~= '' then "
    "return answer('not due') end": _ALWAYS_QUEUED,
    "append.lua: if [arg.by_caller -> true] then set('acknowledged', '1') end": (
        "what the ledger gives back by itself ends the transaction, and nobody asks then whether it was acknowledged"
    ),
    "attempt.py: if [self._unwanted -> False]:": "it would look at the card, and then send nothing all the same",
    "attempt.py: look = self._steps[number - 2] if [number > 1 -> True] else None": "no plan ends with a look",
    "open.lua: if state == 'authorized' and [get('unresolved') == '' -> true] then set('retry_at', 0) end": (
        "whoever finds something unresolved runs it at once, whenever it would have been its time"
    ),
    "executor.py: if [result.answer is LeaseAnswer.CARD_BUSY -> True]:": (
        "where no other transaction keeps the card busy there is none to help"
    ),
    "executor.py: if record is None or [record.unresolved is None -> False]:": (
        "resolving what is resolved does nothing"
    ),
    "executor.py: its_own = provider if [record.provider_id == provider.id -> False] else "
    "self._find_provider(record.provider_id)": "it is found by its id as well",
}
