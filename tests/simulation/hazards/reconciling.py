"""Reconciliation: somebody compares ledger and backend once everything is at rest."""

from __future__ import annotations

from app.admin.reconciliation.reconcile import Reconciliation
from app.admin.reconciliation.run import Difference
from app.ledger.errors import Unresolved
from app.ledger.service import ChangeRequest
from mappers.base import Conflict, Holds
from mappers.capabilities import keeps_statement
from mappers.deadline import Deadline
from tests.simulation import invariants
from tests.simulation.hazards.hazard import AT_REST_MS, Hazard
from tests.simulation.invariants import taken_by_the_ledger
from tests.simulation.kinds import KINDS, Kind
from tests.simulation.system import System
from tests.simulation.workload import Answer

# These show no keys: nothing of theirs can be compared.
SILENT = tuple(name for name in KINDS if "silent" in name)


def can_be_rebuilt(kind: Kind) -> bool:
    """Tell whether a lost ledger can be, from the backend's notes."""
    return kind.holds is Holds.NATIVE and keeps_statement(kind.mapper) and kind.keeps_notes


def compare(system: System, *, repair: bool = False) -> list[Difference]:
    """Return what `giftbridge reconcile` tells, after everything that was sent has arrived and shows."""
    system.backend.catch_up()
    system.scheduler.now += AT_REST_MS
    run = Reconciliation(system.parts, repair=repair)
    return [*run.cards(lambda _count: None), *run.accounts(lambda _provider, _count, _what: None)]


def disagreements(system: System) -> dict[str, str]:
    """Return where the ledger and the backend do not agree by what really happened: card -> what is the matter."""
    found: dict[str, str] = {}
    records = {record.id: record for record in system.records()}
    for name in {*records, *system.backend.transactions.values()}:
        record, taken = records.get(name), system.backend.taken_by(name)
        believed = taken_by_the_ledger(record) if record else 0
        if (record is None or record.unresolved is None) and taken != believed:
            card_id = record.card_id if record else system.backend.card_of(name)
            found[card_id] = f"{taken} left the card for {name}, and the ledger believes {believed}"
    return found


class Reconciles(Hazard):
    """Everything is at rest, and somebody runs `giftbridge reconcile`.

    Expected: it tells of every card where ledger and backend differ, and of nothing else.
    """

    name = "reconcile"
    precise = True  # it tells of nothing else

    @classmethod
    def fits(cls, kind: Kind) -> bool:
        return keeps_statement(kind.mapper) and kind.name not in SILENT

    def aftermath(self) -> None:
        self.system.resolve_everything()
        self.expect_the_truth()

    def told(self) -> list[Difference]:
        """Return what reconcile tells that ledger and backend see differently."""
        return [one for one in compare(self.system) if one.kind not in ("unresolved", "not compared")]

    def expect_the_truth(self) -> None:
        """Compare what is told with what is true."""
        everything = compare(self.system)
        found = [one for one in everything if one.kind not in ("unresolved", "not compared")]
        # Of what it says that it cannot compare, a person knows as much.
        told = {one.card for one in everything if one.kind != "unresolved"}
        true = disagreements(self.system)
        known = {record.card_id for record in self.system.records()}
        for card_id, what in true.items():
            if card_id not in told and card_id in known:
                self.broken.append(f"reconcile tells nothing of {card_id}: {what}")
        both = (hazard for hazard in self.system.hazards if isinstance(hazard, Reconciles))
        for one in found if all(hazard.precise for hazard in both) else ():
            if one.card not in true:
                self.broken.append(f"reconcile tells what is not so: {one}")


class GivesEverythingBack(Hazard):
    """In the end VTEX cancels all that was ever taken.

    Expected: whatever was settled can be given back.
    """

    name = "give-everything-back"

    @property
    def _may_be_a_persons(self) -> bool:
        rule = invariants.nothing_is_unresolved_but_what_nobody_can_tell
        return any(rule in hazard.waived for hazard in self.system.hazards)

    def finale(self) -> None:
        system, workload = self.system, self.system.workload
        for payment in (one for one in system.workload.authorized() if not one.credit):
            record, taken = system.storage.load(payment.value), system.backend.taken_by(payment.value)
            if taken <= 0 or (record is not None and record.unresolved is not None):
                continue
            unknown = record is None or taken != taken_by_the_ledger(record)
            lost_for_good = unknown and system.environment.history and not can_be_rebuilt(system.kind)
            if lost_for_good or system.backend.has_ended(payment.card_id):
                continue
            request = ChangeRequest(payment.card_id, payment.value, taken, "the whole order")
            workload.asked.append(Answer("cancel", payment.value, request.request_id, taken, self.scheduler.now))
            try:
                system.ledger.cancel(workload.provider(payment.provider_id), request, Deadline.after(10))
            except Exception as error:  # noqa: BLE001 - whatever it is, the money does not go back
                if isinstance(error, Conflict) and system.backend.holds_expired:
                    continue  # the plan of the base class gives back what is held first
                if isinstance(error, Unresolved) and self._may_be_a_persons:
                    continue
                self.broken.append(f"{taken} of {payment.value} cannot be given back: {error!r}")
            else:
                if left := system.backend.taken_by(payment.value):
                    self.broken.append(f"{left} of {payment.value} did not go back")
