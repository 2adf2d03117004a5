"""Which exploration finds what each safety is for, and which safeties no scope can show."""

from __future__ import annotations

from dataclasses import dataclass

from tests.explorer.world import Budget


@dataclass(frozen=True, slots=True)
class Proof:
    """Without `safety`, exploring `scope` on `kind` with `budget` finds something broken. `long`: it takes its time."""

    safety: str
    kind: str
    scope: str
    budget: Budget
    tries: int = 1
    lags: bool = False
    long: bool = False


NOTHING_WRONG = Budget()
ONE_FAULT, ONE_CRASH, BOTH = Budget(faults=1), Budget(crashes=1), Budget(crashes=1, faults=1)

PROOFS = (
    Proof("every repeat has the same key", "v1", "authorize twice", ONE_FAULT),
    Proof("the backend is asked before it is told again", "vauchar-silent", "settle twice", ONE_CRASH),
    Proof("an attempt that may send is not taken for one that did not", "vauchar-silent", "settle twice", BOTH),
    Proof("no trace of it counts only when nothing is on its way", "vauchar", "settle twice", ONE_FAULT, tries=2),
    Proof(
        "a refusal counts only when nothing is on its way",
        "v1",
        "authorize, another comes and goes",
        Budget(faults=1, stalls=1),
        tries=2,
        long=True,
    ),
    Proof(
        "a 409 is looked up, and counts only when nothing is on its way",
        "v2",
        "authorize twice",
        Budget(faults=2),
        tries=2,
        lags=True,
        long=True,
    ),
    Proof(
        "only the attempt that holds the lease may refuse",
        "vauchar",
        "settle twice",
        Budget(faults=1, stalls=2),
        long=True,
    ),
    Proof(
        "an attempt under lease is left alone, and one that lost it may not go on",
        "vauchar",
        "settle and cancel",
        NOTHING_WRONG,
        long=True,
    ),
    Proof("the caps are checked where the act is written", "v1", "settle too much", NOTHING_WRONG),
    Proof(
        "a reservation is made in the epoch its balance was read in",
        "vauchar",
        "settle, authorize another",
        Budget(stalls=1),
    ),
    Proof(
        "steps on a card that is judged by its balance do not overlap",
        "vauchar-silent",
        "settle two orders",
        ONE_FAULT,
        long=True,
    ),
    Proof("what a refund puts back for a moment is set aside", "vauchar", "refund twice", NOTHING_WRONG),
    Proof("what is done is in the totals in the same step", "v1", "settle too much", NOTHING_WRONG),
)

OUT_OF_SCOPE = {
    "the intent is on disk before anything is sent": (
        "its mutant remembers in the process what it did not write: no actor can be run again from its answers"
    ),
    "what succeeds after it was refused is undone": (
        "a call has its effect and its answer in one move, so that nobody is overtaken in between; what arrives late "
        "answers nobody"
    ),
}
