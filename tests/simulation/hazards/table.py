"""What the plain schedules never do: each hazard is switched on by its name, and says what it makes of the world."""

from tests.simulation.hazards.cards import CardEnds, CardWithAnEnd, Dashboard
from tests.simulation.hazards.changed_file import AccountChanges, DigitsChange, HoldsChange, MapperChanges, Renamed
from tests.simulation.hazards.clocks import Forgets, RedisClockJumps, ShortHolds
from tests.simulation.hazards.hazard import Hazard
from tests.simulation.hazards.lost_redis import FailsOver, LosesEverything, OldBackup
from tests.simulation.hazards.packing import PacksEarly
from tests.simulation.hazards.people import ActsByHand, BreaksPromises, DecideAtOnce, Decides, MistakesReferences
from tests.simulation.hazards.providers import ForeignCredentials, SharedAccount
from tests.simulation.hazards.reconciling import GivesEverythingBack, Reconciles
from tests.simulation.hazards.shopping import Shoppers
from tests.simulation.hazards.slow import BackendHangs, Crowd, RedisIsSlow, WritesLag

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
UNMENDED: frozenset[str] = frozenset({"shoppers"})

# What needs threads, which the simulator has not: it plays turns one after the other. Where it is proved instead.
ELSEWHERE: dict[str, str] = {
    "hanging-backend": "tests/ledger/test_sweeper.py::test_a_hanging_backend_holds_up_no_other"
}
