"""Redis forgets: all of it, or its last writes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from app.ledger.transaction import KNOWN_TO_VTEX, Transaction
from mappers.base import MapperError
from mappers.capabilities import keeps_statement
from mappers.deadline import Deadline
from tests.simulation import invariants
from tests.simulation.hazards.people import nothing_is_left_for_a_person
from tests.simulation.hazards.reconciling import SILENT, GivesEverythingBack, Reconciles, can_be_rebuilt, compare
from tests.simulation.invariants import Snapshot
from tests.simulation.kinds import Kind
from tests.simulation.system import System
from tests.simulation.vtex_giftcards import VtexGiftcardsModel
from tests.simulation.workload import REFUSALS, RETRYABLE

# What is to be held until a person says otherwise is held for longer than this.
FOR_GOOD_MS = 10 * 365 * 86_400_000


def no_order_is_lost(snapshot: Snapshot) -> Iterator[str]:
    by_id = {record.id: record for record in snapshot.records}
    for answer in snapshot.answers:
        if answer.what == "authorize" and answer.outcome == "done" and answer.received:
            record = by_id.get(answer.value)
            if record is None or (record.unresolved is None and record.state not in KNOWN_TO_VTEX):
                yield f"{answer.value} was approved to VTEX, and is {record and record.state}"


def more_left_the_card_than_the_ledger_believes(snapshot: Snapshot, but: Collection[str | None]) -> Iterator[str]:
    for record in snapshot.records:
        if record.id in but:
            continue
        taken, believed = snapshot.backend.taken_by(record.id), invariants.taken_by_the_ledger(record)
        if record.unresolved is None and taken > believed and not snapshot.backend.holds_expired:
            yield f"{record.id} ({record.state}): {taken} left the card, and the ledger believes {believed}"


def vtex_asks_for_each_order(system: System) -> None:
    for payment in system.workload.authorized():
        try:
            provider = system.workload.provider(payment.provider_id)
            system.ledger.settlements(provider, payment.card_id, payment.value, Deadline.after(10))
        except (*REFUSALS, *RETRYABLE, MapperError) as error:
            system.scheduler.note("is told", repr(error))


class LosesEverything(GivesEverythingBack):
    """Redis loses everything, at any moment; later somebody runs `giftbridge reconcile --repair`.

    Expected of backends that hold and keep our notes: no order is lost, and the money stays as VTEX was told; only
    the lists may lack what left no trace.
    """

    name = "lost-redis"
    waived = (
        invariants.every_effect_was_written_down_before,
        invariants.the_backend_agrees_with_each_transaction,
        invariants.the_backend_agrees_with_each_card,
        invariants.the_backend_holds_what_is_authorized_and_untouched,
        invariants.what_vtex_was_told_of_a_payment_is_true,
        invariants.what_vtex_was_told_of_a_change_is_true,
        invariants.no_list_ever_missed_or_made_up_anything,
        invariants.nothing_is_held_any_more,
        invariants.what_vtex_was_never_told_took_nothing,
        # What seems to be left of an order whose later settlements left no trace is a person's to give back.
        invariants.what_vtex_gave_back_or_never_settled_is_not_taken,
    )
    rules = (no_order_is_lost,)

    @classmethod
    def fits(cls, kind: Kind) -> bool:
        return can_be_rebuilt(kind)

    def prepare(self) -> None:
        """What was only promised, and is forgotten, nobody can know of."""
        self.system.change_policy(settle="capture")

    def start(self) -> None:
        self.scheduler.at(self.sometime(), self._lose)

    def _lose(self) -> None:
        self.scheduler.note("Redis loses everything")
        self.system.client.flushdb()
        self.system.history_changes(took_over=False)

    def aftermath(self) -> None:
        compare(self.system, repair=True)
        vtex_asks_for_each_order(self.system)
        told = compare(self.system, repair=True)
        # What was on its way while Redis lost everything may not have shown when the order was rebuilt.
        self._told_of = {one.transaction for one in told if one.kind == "extra"}

    def finale(self) -> None:
        super().finale()
        self.broken += more_left_the_card_than_the_ledger_believes(self.system.snapshot(), but=self._told_of)

    def is_held_for_good(self, record: Transaction) -> bool:
        return record.expires_at > self.scheduler.now + FOR_GOOD_MS


class FailsOver(Reconciles):
    """Another server takes Redis's place that lacks the last writes: of a moment, or, from a backup, of days.

    Expected: no settled money goes back by itself, no step is done twice where the backend shows its keys, reconcile
    tells whatever the ledger does not know, and no order is lost where the backend holds and keeps our notes.
    """

    name = "failed-over-redis"
    # How much is lost, in milliseconds.
    lost = (100, 1_000, 5_000, 20_000)
    waived = (
        *(rule for rule in LosesEverything.waived),
        invariants.what_is_reserved_can_be_paid,
        # What the ledger forgot and the backend does not allow twice may be left for a person.
        invariants.nothing_is_unresolved_but_what_nobody_can_tell,
        invariants.no_card_is_busy,
        nothing_is_left_for_a_person,
        # VTEX may have seen what was forgotten, and have asked for it again; see `finale`.
        invariants.no_settled_money_goes_back_unasked,
    )
    precise = False
    took_over = True  # a replica does, which knows whose it was

    @classmethod
    def fits(cls, kind: Kind) -> bool:
        return kind.name not in SILENT

    @property
    def _people_give_back(self) -> bool:
        """Tell whether another hazard lets people give back what was settled."""
        others = (hazard for hazard in self.system.hazards if not isinstance(hazard, FailsOver))
        return any(invariants.no_settled_money_goes_back_unasked in hazard.waived for hazard in others)

    def prepare(self) -> None:
        """What was only promised, and is forgotten, nobody can know of."""
        self.system.change_policy(settle="capture")
        self._fell_back_at = self.scheduler.now
        if not keeps_statement(self.system.kind.mapper):  # nothing shows there that a refund was forgotten
            self.waived = (*self.waived, invariants.nothing_goes_back_that_was_never_taken)
        backend = self.system.backend
        if isinstance(backend, VtexGiftcardsModel):
            backend.knows_request_ids = True  # one that does not know them shows no keys

    def start(self) -> None:
        moment = self.sometime()
        self.scheduler.at(moment, self._remember)
        self.scheduler.at(moment + self.rng.choice(self.lost) + 1, self._fall_back)

    def _remember(self) -> None:
        client: Any = self.system.bytes_client
        self._kept = {key: client.dump(key) for key in client.scan_iter(count=10_000)}

    def _fall_back(self) -> None:
        self.scheduler.note("another server takes the place of Redis")
        self._fell_back_at = self.scheduler.now
        client: Any = self.system.bytes_client
        client.flushdb()
        for key, value in self._kept.items():
            client.restore(key, 0, value)
        self.system.history_changes(took_over=self.took_over)

    def aftermath(self) -> None:
        self.system.resolve_everything()
        if super().fits(self.system.kind):
            self.expect_the_truth()
        before = len(self.system.backend.effects)
        vtex_asks_for_each_order(self.system)
        taken = [effect for effect in self.system.backend.effects[before:] if effect.change < 0]
        self.broken += [f"VTEX only read, and {-effect.change} left the card: {effect.key}" for effect in taken]
        if can_be_rebuilt(self.system.kind):
            self.broken += no_order_is_lost(self.system.snapshot())

    def finale(self) -> None:
        for payment in invariants.payments(self.system.snapshot()):
            excused = self.system.backend.holds_expired or self._people_give_back
            if payment.lacks and payment.last_asked_at < self._fell_back_at and not excused:
                self.broken.append(f"settled money went back: {payment}, and {payment.taken} were taken")

    def is_held_for_good(self, record: Transaction) -> bool:
        return record.expires_at > self.scheduler.now + FOR_GOOD_MS


class OldBackup(FailsOver):
    """Redis starts again from a backup of hours or days ago.

    Expected: as after a failover.
    """

    name = "old-backup"
    took_over = False
    lost = (60_000, 20 * 60_000, 5 * 3_600_000, 2 * 86_400_000)
