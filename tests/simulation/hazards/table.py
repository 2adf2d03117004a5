"""What the plain schedules never do: each hazard is switched on by its name, and says what it makes of the world."""

from itertools import combinations

from tests.simulation.hazards.cards import CardEnds, CardWithAnEnd, Dashboard
from tests.simulation.hazards.changed_file import (
    AccountChanges,
    ChangedForAWhile,
    DigitsChange,
    HoldsChange,
    MapperChanges,
    Renamed,
)
from tests.simulation.hazards.clocks import Forgets, RedisClockJumps, ShortHolds
from tests.simulation.hazards.hazard import Hazard
from tests.simulation.hazards.lost_redis import FailsOver, LosesEverything, OldBackup
from tests.simulation.hazards.packing import PacksEarly
from tests.simulation.hazards.people import ActsByHand, BreaksPromises, DecideAtOnce, Decides, MistakesReferences
from tests.simulation.hazards.providers import ForeignCredentials, SharedAccount
from tests.simulation.hazards.reconciling import GivesEverythingBack, Reconciles
from tests.simulation.hazards.shopping import Shoppers
from tests.simulation.hazards.slow import BackendHangs, Crowd, RedisIsSlow, WritesLag

# Those of one family are the same thing in other words, or would both change the same.
FAMILIES = (Decides, SharedAccount, ChangedForAWhile, FailsOver, GivesEverythingBack)

HAZARDS: dict[str, type[Hazard]] = {
    hazard.name: hazard
    for hazard in (
        Decides,
        DecideAtOnce,
        MistakesReferences,
        BreaksPromises,
        ActsByHand,
        SharedAccount,
        ForeignCredentials,
        Reconciles,
        GivesEverythingBack,
        LosesEverything,
        FailsOver,
        OldBackup,
        CardEnds,
        CardWithAnEnd,
        Dashboard,
        HoldsChange,
        DigitsChange,
        AccountChanges,
        MapperChanges,
        Renamed,
        RedisClockJumps,
        ShortHolds,
        Forgets,
        PacksEarly,
        BackendHangs,
        RedisIsSlow,
        WritesLag,
        Crowd,
        Shoppers,
    )
}

# What breaks in some schedule: continuous integration does not play these. Each says in its docstring what is to hold;
# tests/simulation/README.md says what breaks.
UNMENDED: frozenset[str] = frozenset()

# What needs threads, which the simulator has not: it plays turns one after the other. Where it is proved instead.
ELSEWHERE: dict[str, str] = {
    "hanging-backend": "tests/ledger/test_sweeper.py::test_a_hanging_backend_holds_up_no_other"
}

# What ends that what the other one asks for: nobody can give back what the ledger has forgotten by its own rules, and
# what shoppers are told of cards is judged by one account, in one unit.
CHANGES_OF_CARDS = ("digits-change", "account-change", "mapper-change", "renamed-provider")
APART = {
    frozenset(pair)
    for pair in (
        ("forgets", "give-everything-back"),
        ("forgets", "lost-redis"),
        *(("shoppers", change) for change in CHANGES_OF_CARDS),
    )
}


def pairs() -> list[tuple[str, str]]:
    """Return the names of every two hazards that can happen in one schedule."""
    names = [name for name in HAZARDS if name not in ELSEWHERE]
    return [pair for pair in combinations(names, 2) if frozenset(pair) not in APART and _are_two(*pair)]


# Continuous integration plays those of Redis with every other, and these.
OF_REDIS = {"lost-redis", "failed-over-redis", "old-backup", "redis-clock-jumps", "slow-redis"}
CLOSE = {
    frozenset(pair)
    for pair in (
        ("shared-account", "person-decides"),
        ("shared-account", "card-ends"),
        ("shared-account", "account-change"),
        ("broken-promise", "packs-early"),
        ("broken-promise", "give-everything-back"),
        ("card-ends", "holds-change"),
        ("card-ends", "by-hand"),
        ("by-hand", "renamed-provider"),
        ("people-decide-at-once", "dashboard"),
    )
}


def close_pairs() -> list[tuple[str, str]]:
    """Return the pairs that are most likely to get in each other's way."""
    return [pair for pair in pairs() if OF_REDIS & set(pair) or frozenset(pair) in CLOSE]


def _are_two(*pair: str) -> bool:
    one, other = (HAZARDS[name] for name in pair)
    alike = issubclass(one, other) or issubclass(other, one)
    return not alike and not any(issubclass(one, family) and issubclass(other, family) for family in FAMILIES)
