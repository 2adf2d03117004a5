"""Whatever happens in whatever order, the ledger agrees with the backend: schedules of every kind."""

from __future__ import annotations

import pytest

from tests.simulation.faults import BackendFault, RedisFault
from tests.simulation.hazards.hazard import Hazard
from tests.simulation.hazards.shopping import Shoppers
from tests.simulation.hazards.table import ELSEWHERE, HAZARDS, UNMENDED, close_pairs
from tests.simulation.kinds import KINDS
from tests.simulation.safeties import HTTP_SAFETIES, SAFETIES, Safety
from tests.simulation.schedule import first_miss, first_violation, replay, run
from tests.simulation.system import build_system

SCHEDULES = 8
BLOCKS = 4
SCHEDULES_WITH_HAZARD = 1

# Each safety is missed soon after its `first_seed`. Where the code has changed since, the schedules have, too: then it
# may take longer, and `first_seed` should be looked for again.
MAXIMUM_SCHEDULES = 3_000


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_happens_the_ledger_agrees_with_the_backend(kind: str, block: int, redis_url: str) -> None:
    with build_system(KINDS[kind], redis_url) as system:
        violation = first_violation(system, range(block * SCHEDULES, (block + 1) * SCHEDULES))
    assert violation is None, f"\n{violation}"


@pytest.mark.parametrize("hazard", [name for name in HAZARDS if name not in UNMENDED | set(ELSEWHERE)])
def test_whatever_else_happens_the_ledger_keeps_what_it_promises(hazard: str, redis_url: str) -> None:
    """Each hazard is met by every kind that it can happen to, each with seeds of its own."""
    fitting = [kind for kind in KINDS.values() if HAZARDS[hazard].fits(kind)]
    for number, kind in enumerate(fitting):
        first = number * SCHEDULES_WITH_HAZARD
        with build_system(kind, redis_url, hazards=[HAZARDS[hazard]]) as system:
            violation = first_violation(system, range(first, first + SCHEDULES_WITH_HAZARD))
        assert violation is None, f"\n{violation}"


PAIRS = close_pairs()
PAIRS_OF_ONE_TEST = 12


@pytest.mark.parametrize("first", range(0, len(PAIRS), PAIRS_OF_ONE_TEST))
def test_two_hazards_together_keep_what_both_promise(first: int, redis_url: str) -> None:
    """Each two that are close are met by one of the kinds that they can happen to; `--pairs` plays all."""
    for number, pair in enumerate(PAIRS[first : first + PAIRS_OF_ONE_TEST], first):
        hazards = [HAZARDS[name] for name in pair]
        if fitting := [kind for kind in KINDS.values() if all(hazard.fits(kind) for hazard in hazards)]:
            with build_system(fitting[number % len(fitting)], redis_url, hazards=hazards) as system:
                violation = first_violation(system, range(number, number + 1))
            assert violation is None, f"\n{violation}"


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_shoppers_type_they_are_told_what_is_promised(kind: str, redis_url: str) -> None:
    with build_system(KINDS[kind], redis_url, hazards=[Shoppers]) as system:
        violation = first_violation(system, range(SCHEDULES))
    assert violation is None, f"\n{violation}"


def test_what_breaks_today_is_a_hazard_that_there_is() -> None:
    assert set(HAZARDS) >= UNMENDED | set(ELSEWHERE)


MET = {
    safety.name: (safety, safety.first_seed) for safety in (*SAFETIES, *HTTP_SAFETIES) if safety.first_seed is not None
}


@pytest.mark.parametrize(("safety", "first_seed"), MET.values(), ids=MET)
def test_without_a_safety_something_breaks(safety: Safety, first_seed: int, redis_url: str) -> None:
    seeds = range(first_seed, first_seed + MAXIMUM_SCHEDULES)
    assert first_miss(safety, redis_url, seeds), (
        f"nothing broke in {MAXIMUM_SCHEDULES} schedules without: {safety.name}"
    )


def test_a_violation_that_heals_by_itself_is_seen(redis_url: str) -> None:
    """Each change of the money is looked at: once everything is resolved, nothing is set aside any more."""
    safety = next(one for one in SAFETIES if one.name == "what a refund puts back for a moment is set aside")
    with build_system(KINDS[safety.kind], redis_url, safety) as system:
        runs = (run(system, seed) for seed in range(MAXIMUM_SCHEDULES))
        assert any(found and found == list(system.checker.found) for found in runs)


@pytest.mark.parametrize("hazards", [[], [Shoppers]])
def test_a_schedule_happens_again_just_as_it_did(hazards: list[type[Hazard]], redis_url: str) -> None:
    with build_system(KINDS["vauchar"], redis_url, hazards=hazards) as system:
        first, second = replay(system, 3), replay(system, 3)
    assert first.trace == second.trace
    assert len(first.trace) > 10


def test_every_fault_is_injected(redis_url: str) -> None:
    """What never happens proves nothing: every fault comes, and every event a transaction may have."""
    seen: set[str] = set()
    events: set[str] = set()
    with build_system(KINDS["vauchar-silent-elsewhere"], redis_url) as system:
        for seed in range(300):
            seen.update(word for line in replay(system, seed).trace for word in WATCHED if word in line)
            events |= system.events()
            if seen == set(WATCHED):
                break
    assert seen == set(WATCHED)
    assert events >= {"opened", "step done", "done", "refused", "abandoned", "unknown"}


WATCHED = (
    *(fault.value for fault in (*RedisFault, *BackendFault) if fault not in (RedisFault.NONE, BackendFault.NONE)),
    "crashed",
    "stalls",
    "does not receive",
    "elsewhere",
    "suspends",
)


def test_a_promise_to_settle_is_simulated_too(redis_url: str) -> None:
    with build_system(KINDS["v1"], redis_url) as system:
        for seed in range(80):
            run(system, seed)
            if "accepted" in system.events():
                return
    pytest.fail("no settlement was accepted before it was done")
