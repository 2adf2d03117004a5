"""Every interleaving of two workers and the sweeper, in scopes that are small enough for all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.explorer.__main__ import KINDS_EXPLORED
from tests.explorer.explorer import explore
from tests.explorer.safeties import OUT_OF_SCOPE, PROOFS, Proof
from tests.explorer.scopes import SCOPES
from tests.explorer.world import Budget
from tests.simulation.safeties import SAFETIES

MOST_STATES = 100_000

ONE_LOST_ANSWER = [
    (kind, scope)
    for kind in ("v1", "vauchar", "voucherify-upfront")
    for scope in ("authorize twice", "settle twice", "cancel twice")
]


# One of each way to hold, to lag and to know a repeat; `python -m tests.explorer` plays the others with more, too.
AFTER_EACH_CHANGE = ("v1", "v2", "vauchar-upfront-silent", "voucherify", "vtex", "plain-ledger")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[] if kind in AFTER_EACH_CHANGE else [pytest.mark.long]) for kind in KINDS_EXPLORED],
)
def test_no_interleaving_of_any_scope_breaks_anything(kind: str, redis_url: str) -> None:
    for scope in SCOPES.values():
        found = explore(kind, scope, redis_url, MOST_STATES)
        assert not found.broken, f"{kind}, {scope.name}:\n{found}"
        assert found.complete


@pytest.mark.parametrize(("kind", "scope"), ONE_LOST_ANSWER)
def test_no_lost_answer_in_any_interleaving_breaks_anything(kind: str, scope: str, redis_url: str) -> None:
    found = explore(kind, replace(SCOPES[scope], budget=Budget(faults=1)), redis_url, MOST_STATES)
    assert not found.broken, f"\n{found}"
    assert found.complete


@pytest.mark.parametrize(
    "proof",
    [pytest.param(proof, id=proof.safety, marks=[pytest.mark.long] if proof.long else []) for proof in PROOFS],
)
def test_without_a_safety_something_breaks(proof: Proof, redis_url: str) -> None:
    safety = next(safety for safety in SAFETIES if safety.name == proof.safety)
    scope = replace(SCOPES[proof.scope], budget=proof.budget, tries=proof.tries, lags=proof.lags)
    found = explore(proof.kind, scope, redis_url, MOST_STATES, safety)
    assert found.broken, f"{found.states} states, complete: {found.complete}"


def test_every_safety_has_a_proof_or_a_reason() -> None:
    assert sorted([*(proof.safety for proof in PROOFS), *OUT_OF_SCOPE]) == sorted(
        safety.name for safety in SAFETIES if not safety.hazard
    )


def test_an_exploration_happens_again_just_as_it_did(redis_url: str) -> None:
    """What remembers anything beyond its answers would be somewhere else the second time."""
    scope = replace(SCOPES["settle twice"], budget=Budget(faults=1))
    first, second = (explore("vauchar", scope, redis_url, 200) for _ in range(2))
    assert first == second
