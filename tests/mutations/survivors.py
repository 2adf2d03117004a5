"""Guards whose loss no test of the ledger notices, each with the reason why that is right."""

from __future__ import annotations

_ALWAYS_QUEUED = (
    "every transaction is in a queue until it is forgotten (an invariant of the simulation and the explorer)"
)

SURVIVORS = {
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
    "executor.py: if [result.answer is LeaseAnswer.CARD_BUSY -> True]:": (
        "where no other transaction keeps the card busy there is none to help"
    ),
}
