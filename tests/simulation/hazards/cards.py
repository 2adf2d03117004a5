"""Cards that end, and what others do to what we did, in the vendor's dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from app.ledger.errors import AmountExceeded, RequestConflict
from app.ledger.milliseconds import milliseconds
from app.ledger.transaction import ActState, something_moved
from mappers.base import Holds, Refused
from tests.simulation import invariants
from tests.simulation.backend_model import CARDS
from tests.simulation.hazards.hazard import Hazard
from tests.simulation.hazards.reconciling import SILENT, Reconciles
from tests.simulation.invariants import Snapshot
from tests.simulation.kinds import Kind
from tests.simulation.plain import PlainMapper
from tests.simulation.vauchar import VaucharModel
from tests.simulation.vtex_giftcards import VtexGiftcardsModel
from tests.simulation.workload import DAY, HOUR, MINUTE


def what_the_backend_refused_is_not_parked(snapshot: Snapshot) -> Iterator[str]:
    """A definite refusal is an answer: it leaves nothing for a person, and keeps nothing waiting.

    But for what is half done: where a part of a hold is captured, the rest goes back by a call of its own.
    """
    for record in snapshot.records:
        act = record.unresolved_act
        half_done = act is not None and snapshot.kind.captures_parts and something_moved(act.steps)
        if act is not None and act.state is ActState.PARKED and isinstance(act.error, Refused) and not half_done:
            yield f"{act.oid} ({act.kind}) is parked: {act.error}"


class CardEnds(Hazard):
    """A card ends at any moment: it neither pays nor is given anything any more.

    Expected: what cannot be given back is refused, and nothing is parked because of it; what was settled stays so.
    """

    name = "card-ends"
    waived = (
        # The rest of an order cannot always be given back to it.
        invariants.nothing_is_held_any_more,
        invariants.what_vtex_gave_back_or_never_settled_is_not_taken,
        invariants.what_vtex_was_never_told_took_nothing,
        # What was put back for a moment may not be taken again: this is point of `what_the_backend_refused...`.
        invariants.nothing_is_unresolved_but_what_nobody_can_tell,
    )
    rules = (what_the_backend_refused_is_not_parked,)

    def prepare(self) -> None:
        self.system.workload.suspends = 0
        ttl = timedelta(milliseconds=self.rng.choice((2 * MINUTE, HOUR, 3 * DAY)))
        self.system.change_policy(remainder_ttl=ttl, authorization_ttl=ttl, settle="capture")

    def start(self) -> None:
        self.scheduler.at(self.sometime(), self._end)

    def _end(self) -> None:
        self.scheduler.note("the card ends")
        self.system.backend.ended.add(CARDS[0])
        self.system.backend.refused_payments = True


class CardWithAnEnd(Hazard):
    """A card has a last day, which its backend has always told, and which comes before the holds are over.

    Expected: what was authorized can be settled as long as its hold lasts.
    """

    name = "card-with-an-end"

    @classmethod
    def fits(cls, kind: Kind) -> bool:
        tells_of_it = kind.mapper is not PlainMapper
        return kind.holds is Holds.LEDGER and not kind.elsewhere and tells_of_it

    def prepare(self) -> None:
        self.system.workload.suspends = 0
        self.system.backend.ends_at = self.scheduler.now + self.rng.choice((20_000, MINUTE, HOUR, 2 * DAY))

    waived = (*CardEnds.waived, invariants.what_vtex_was_told_of_a_change_is_true)

    def finale(self) -> None:
        workload, ttl = self.system.workload, milliseconds(self.system.policy.authorization_ttl or timedelta())
        lasts_until = {one.value: one.asked_at + ttl for one in reversed(workload.answers) if one.what == "authorize"}
        for answer in workload.answers:
            fair = isinstance(answer.error, AmountExceeded | RequestConflict)
            fair |= answer.answered_at > lasts_until.get(answer.transaction, answer.answered_at)
            if answer.what == "settle" and answer.outcome == "refused" and not fair:
                self.broken.append(f"{answer}, though it was authorized")


class Dashboard(Reconciles):
    """Somebody captures, voids or reverses what we did, in the vendor's dashboard.

    Expected: no more goes back than was taken, nothing is left that only a lie could end, and reconcile tells of it.
    At another VTEX account, whose lists do not tell who took or gave back a part, and at Vauchar, where money that
    others gave back may be spent before what was to stay is taken again, it may be left for a person.
    """

    name = "dashboard"
    precise = False
    waived = (
        invariants.the_backend_agrees_with_each_transaction,
        invariants.the_backend_agrees_with_each_card,
        invariants.the_backend_holds_what_is_authorized_and_untouched,
        invariants.what_is_reserved_can_be_paid,
        invariants.what_vtex_was_told_of_a_change_is_true,
        invariants.no_settled_money_goes_back_unasked,
        invariants.what_vtex_gave_back_or_never_settled_is_not_taken,
    )

    @classmethod
    def fits(cls, kind: Kind) -> bool:
        return kind.name not in SILENT

    def prepare(self) -> None:
        self.system.change_policy(settle="capture")

    def start(self) -> None:
        self.scheduler.spawn("the vendor's dashboard", self._tamper, self.sometime(), may_crash=False)

    def _tamper(self) -> None:
        backend = self.system.backend
        for _ in range(self.rng.randrange(1, 3)):
            if payments := [payment for payment in backend.payments() if self._is_at_rest(payment)]:
                payment = self.rng.choice(payments)
                captures = backend.is_held(payment) and self.rng.random() < 0.5
                self.scheduler.note("somebody", "captures" if captures else "gives back", payment, "in the dashboard")
                (backend.capture_by_hand if captures else backend.undo_by_hand)(payment)
                backend.leaves_to_people = isinstance(backend, VtexGiftcardsModel | VaucharModel)
            self.scheduler.sleep(self.system.workload.gap())

    def _is_at_rest(self, payment: str) -> bool:
        """Tell whether nobody gives anything of it back yet, or is about to: there the vendor itself would be late."""
        backend = self.system.backend
        with self.system.harness():
            record = self.system.storage.load(backend.transactions[backend.payments()[payment]])
        return record is not None and record.unresolved is None and backend.is_whole(payment)

    def aftermath(self) -> None:
        self.system.resolve_everything()
        if Reconciles.fits(self.system.kind):
            self.expect_the_truth()
