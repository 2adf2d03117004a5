"""What every hazard has in common: when it happens, and what may be expected of the ledger nevertheless."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from app.ledger.transaction import Transaction
from tests.simulation.invariants import Rule
from tests.simulation.kinds import Kind

if TYPE_CHECKING:
    from tests.simulation.system import System

# Nothing that was sent is still on its way after this, and a reconciliation leaves nothing to the next one.
AT_REST_MS = 120_000


class Hazard:
    """Something that happens only where it is switched on. Its docstring says what.

    All that it draws comes from the schedule's seed.
    """

    name: ClassVar[str]
    # What may break that the ledger does not promise any more, and what must hold beside.
    waived: Collection[Rule] = ()
    rules: ClassVar[Sequence[Rule]] = ()  # once everything is resolved
    last_rules: ClassVar[Sequence[Rule]] = ()  # and when every authorization's time is over
    settings: ClassVar[Mapping[str, Any]] = {}  # of the service

    @classmethod
    def fits(cls, kind: Kind) -> bool:
        """Tell whether it can happen to this kind."""
        return True

    def __init__(self, system: System) -> None:
        """Prepare a schedule: before anybody moves."""
        self.system = system
        self.scheduler = system.scheduler
        self.rng = system.scheduler.rng
        self.broken: list[str] = []  # what only the hazard itself can see
        self.prepare()

    def prepare(self) -> None:
        """Change how the schedule begins."""

    def start(self) -> None:
        """Let somebody do it while the schedule runs."""

    def quiet(self) -> None:
        """Let go on what goes on every few seconds, once every actor is done and before anybody waits for anything."""

    def aftermath(self) -> None:
        """Put right what is to be put right once every actor is done, without any more faults."""

    def finale(self) -> None:
        """Do what is to be done last of all."""

    def is_held_for_good(self, record: Transaction) -> bool:
        """Tell whether the policy does not give back what this transaction holds."""
        return False

    def sometime(self) -> int:
        """Return a moment within the schedule: how long it takes until it happens, in milliseconds."""
        return sum(self.system.workload.gap() for _ in range(self.rng.randrange(1, 6)))
