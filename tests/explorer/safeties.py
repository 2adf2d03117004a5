"""Which exploration finds what each safety is for, and which safeties no scope can show."""

from __future__ import annotations

from dataclasses import dataclass

from tests.explorer.world import Budget


@dataclass(frozen=True, slots=True)
class Proof:
    """Without `safety`, exploring `scope` with `budget` finds something broken. `long`: it takes its time."""

    safety: str
    scope: str
    budget: Budget
    tries: int = 1
    long: bool = False


_NO_FAULT, _ONE_FAULT = Budget(), Budget(faults=1)

PROOFS = (
    Proof("every repeat has the same key", "authorize twice", _ONE_FAULT),
    Proof("the backend is asked before it is told again", "settle twice", _ONE_FAULT),
    Proof("the caps are checked where the act is written", "settle too much", _NO_FAULT),
    Proof("an attempt under lease is left alone, and one that lost it may not go on", "settle twice", _NO_FAULT),
    Proof("a reservation is made in the epoch its balance was read in", "settle, authorize another", _NO_FAULT),
    Proof("steps on a card that is judged by its balance do not overlap", "settle two orders", _ONE_FAULT),
    Proof("what a refund puts back for a moment is set aside", "refund twice", _NO_FAULT),
)

OUT_OF_SCOPE = {
    "the intent is on disk before anything is sent": (
        "its mutant remembers in the process what it did not write: no actor can be run again from its answers"
    ),
}
