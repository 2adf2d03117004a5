"""Whatever happens in whatever order, the books agree: thousands of schedules of every kind of backend."""

from __future__ import annotations

import pytest

from tests.simulation.house import house
from tests.simulation.kinds import KINDS
from tests.simulation.safeties import SAFETIES, Safety
from tests.simulation.schedule import first_miss, first_violation, replay, run
from tests.simulation.weather import Backend, Storage

SCHEDULES = 32
BLOCKS = 4

# Each safety is missed soon after its `first_seed`. Where the code has changed since, the schedules have, too: then it
# may take longer, and `first_seed` should be looked for again.
PATIENCE = 3_000


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_happens_the_books_agree(kind: str, block: int, redis_url: str) -> None:
    with house(KINDS[kind], redis_url) as one:
        violation = first_violation(one, range(block * SCHEDULES, (block + 1) * SCHEDULES))
    assert violation is None, f"\n{violation}"


@pytest.mark.parametrize("safety", SAFETIES, ids=lambda safety: safety.name)
def test_without_a_safety_something_breaks(safety: Safety, redis_url: str) -> None:
    seeds = range(safety.first_seed, safety.first_seed + PATIENCE)
    assert first_miss(safety, redis_url, seeds), f"nothing broke in {PATIENCE} schedules without: {safety.name}"


def test_a_breach_that_heals_by_itself_is_seen(redis_url: str) -> None:
    """Each change of the money is looked at: once everything has come to rest, what was set aside is no more."""
    safety = next(one for one in SAFETIES if one.name == "what a refund puts back for a moment is set aside")
    with house(KINDS[safety.kind], redis_url, safety) as one:
        found = next(found for seed in range(PATIENCE) if (found := run(one, seed)))
        assert found == list(one.bookkeeper.found)


def test_a_schedule_happens_again_just_as_it_did(redis_url: str) -> None:
    with house(KINDS["vauchar"], redis_url) as one:
        first, second = replay(one, 3), replay(one, 3)
    assert first.trace == second.trace
    assert len(first.trace) > 10


def test_the_weather_brings_everything_it_may(redis_url: str) -> None:
    """What never happens proves nothing: every fault comes, and every event a transaction may have."""
    seen: set[str] = set()
    events: set[str] = set()
    with house(KINDS["vauchar-silent-elsewhere"], redis_url) as one:
        for seed in range(80):
            seen.update(word for line in replay(one, seed).trace for word in WATCHED if word in line)
            events |= one.events()
    assert seen == set(WATCHED)
    assert events >= {"opened", "step done", "done", "refused", "abandoned", "unknown"}


WATCHED = (
    *(fate.value for fate in (*Storage, *Backend) if fate not in (Storage.FINE, Backend.FINE)),
    "crashed",
    "stands still",
    "hears nothing",
    "elsewhere",
    "suspends",
)


def test_a_promise_to_settle_is_simulated_too(redis_url: str) -> None:
    with house(KINDS["v1"], redis_url) as one:
        for seed in range(20):
            run(one, seed)
            if "accepted" in one.events():
                return
    pytest.fail("no settlement was accepted before it was done")
