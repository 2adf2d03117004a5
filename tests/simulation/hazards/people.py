"""People: they decide about what no backend can tell, and act by hand, each command in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from app.admin.transactions import by_hand
from app.admin.transactions.by_hand import NotPossible
from app.admin.transactions.views import ActView
from app.ledger.errors import LedgerUnavailable, TransactionNotFound
from app.ledger.names import step_key
from app.ledger.transaction import ActRecord, ActState, Decision, Transaction, something_moved
from mappers.base import Holds, MapperError, Refused
from tests.simulation import invariants
from tests.simulation.backend_model import BRL
from tests.simulation.hazards.hazard import AT_REST_MS, Hazard
from tests.simulation.hazards.reconciling import SILENT
from tests.simulation.invariants import Snapshot
from tests.simulation.kinds import Kind
from tests.simulation.workload import MINUTE, REFUSALS, RETRYABLE, Answer

# Whatever is parked, a person who tells the truth is done with it after this many rounds.
ROUNDS = 10


def nothing_is_left_for_a_person(snapshot: Snapshot) -> Iterator[str]:
    """Whatever was parked, the truth about it ended it; but for what was put back for a moment and spent elsewhere."""
    for record in snapshot.records:
        act = record.unresolved_act
        if act is None or act.state is not ActState.PARKED or snapshot.backend.leaves_to_people:
            continue
        may_stay = snapshot.kind.elsewhere or snapshot.backend.has_ended(record.card_id)
        if not (may_stay and something_moved(act.steps)):
            yield f"{act.oid} ({act.kind}) is parked: {act.error}"


class Evidence:
    """What a person sees at the backend of a parked act's open step: it is the truth."""

    def __init__(self, hazard: Hazard, record: Transaction, act: ActRecord) -> None:
        backend = hazard.system.backend
        key = step_key(act.oid, act.open_step)
        self.happened = any(effect.key == key for effect in backend.effects)
        open_steps = [step for step in act.steps if step.receipt is None]
        needed = any(step.verb in hazard.system.mapper.needs_reference for step in open_steps[:1])
        named = self.happened and (needed or hazard.rng.random() < 0.7)  # nobody must name what needs no id
        self.reference = backend.reference(key) if named else ""
        # A promise that the backend certainly refuses can only be given up.
        self.hopeless = not self.happened and isinstance(act.error, Refused) and not something_moved(act.steps)
        self.act = act
        self.transaction_id = record.id

    def __str__(self) -> str:
        return f"{self.act.oid} of {self.transaction_id} happened: {self.happened} {self.reference}"


class Decides(Hazard):
    """A store admin looks at what is parked, sees at the backend what happened, and says so. The command may be killed
    at any moment, and Redis may not answer it.

    Expected: nothing moves twice, and everything a person tells the truth about is over.
    """

    name = "person-decides"
    rules = (nothing_is_left_for_a_person,)
    people: ClassVar[tuple[str, ...]] = ("ana",)

    def prepare(self) -> None:
        """Let more be parked: what the policy gives back soon, to a card that is switched off for a while."""
        ttl = timedelta(seconds=self.rng.choice((20, 60, 600)))
        self.system.change_policy(remainder_ttl=ttl, settle="capture")
        if self.system.kind.holds is not Holds.NATIVE:  # there the backend would end it, too
            self.system.change_policy(authorization_ttl=ttl)
        self.system.backend.takes_nothing_while_suspended = True
        self.system.workload.suspends = 0.8
        self.system.server.doubts = self.rng.choice((0.0, 0.3, 0.8, 0.8))
        self.system.backend.refused_payments = True  # a person may say that what VTEX asked for did not happen
        self.system.environment.faults.make_trouble()

    def start(self) -> None:
        for person in self.people:
            self.scheduler.spawn(person, lambda person=person: self._work(person), self.sometime(), may_crash=False)  # type: ignore[misc]

    def aftermath(self) -> None:
        """Let somebody decide about what is left, until nothing is; nothing fails any more."""
        self.system.server.doubts = 0.0
        for _ in range(ROUNDS):
            self.system.resolve_everything()
            parked = list(self._parked())
            if not parked:
                return
            for evidence in parked:
                self._decide(evidence, "the last one")
            self.scheduler.now += AT_REST_MS  # whoever was killed at it has no lease any more

    def _work(self, person: str) -> None:
        for number in range(self.rng.randrange(4, 12)):
            seen = self._seen()
            self.scheduler.sleep(self.rng.randrange(MINUTE))
            for evidence in seen:
                command = f"{person}'s command {number}"
                self.scheduler.spawn(command, lambda evidence=evidence: self._decide(evidence, person))  # type: ignore[misc]
                self.scheduler.sleep(self.system.workload.gap())

    def _seen(self) -> list[Evidence]:
        try:
            return list(self._parked())
        except LedgerUnavailable:
            return []

    def _parked(self) -> Iterator[Evidence]:
        for record in self.system.storage.load_many(self.system.parts.index.parked()):
            act = record.unresolved_act or record.acts[-1]
            evidence = Evidence(self, record, act)
            self.scheduler.note("sees that", evidence)
            yield evidence

    def _decide(self, evidence: Evidence, person: str) -> None:
        parts = self.system.parts
        try:
            record = parts.storage.load(evidence.transaction_id)
            if record is None:
                return
            self.scheduler.note("decides:", evidence)
            by_hand.decide(parts, record, self._decision(evidence, person))
        except (*REFUSALS, *RETRYABLE, NotPossible, MapperError) as error:
            self.scheduler.note("is told", repr(error))

    def _decision(self, evidence: Evidence, person: str) -> Decision:
        act = evidence.act
        return Decision(person, evidence.happened, evidence.reference, act.number, act.open_step)


class DecideAtOnce(Decides):
    """Two store admins look at the same parked acts, and decide a while later, when others may be parked.

    Expected: a person's word is taken for the act that it was about, and no other.
    """

    name = "people-decide-at-once"
    people = ("ana", "ben", "cleo")


class MistakesReferences(Decides):
    """A store admin who sees that it happened copies another payment's id from the backend, half of the time.

    Expected: the ledger looks at what it is told, and does not take it. An account that does not show our keys shows
    nothing by which two payments of one amount could be told apart: there a person is believed.
    """

    name = "wrong-reference"

    @classmethod
    def fits(cls, kind: Kind) -> bool:
        return kind.name not in SILENT

    def _decide(self, evidence: Evidence, person: str) -> None:
        others = [name for name in self.system.backend.payments() if name != evidence.reference]
        if evidence.reference and others and person in self.people and self.rng.random() < 0.5:
            evidence.reference = self.rng.choice(others)
        super()._decide(evidence, person)


class BreaksPromises(Decides):
    """Settlements are promised (`settle = "accept"`), and the hold is gone when they are to be done: its time was over,
    or somebody gave it back in the dashboard.

    Expected: a person gives the promise up. Nothing is left open, and nothing goes back that was never taken.
    """

    name = "broken-promise"
    waived = (
        invariants.what_vtex_was_told_of_a_change_is_true,
        invariants.no_list_ever_missed_or_made_up_anything,
        invariants.the_backend_agrees_with_each_transaction,
        invariants.the_backend_agrees_with_each_card,
    )

    @classmethod
    def fits(cls, kind: Kind) -> bool:
        return kind.holds is Holds.NATIVE

    def prepare(self) -> None:
        self.system.change_policy(settle="accept")
        self.system.server.doubts = self.rng.choice((0.0, 0.3))

    def start(self) -> None:
        super().start()
        self.scheduler.spawn("the vendor's dashboard", self._give_back, self.sometime(), may_crash=False)

    def _decision(self, evidence: Evidence, person: str) -> Decision:
        return replace(super()._decision(evidence, person), give_up=evidence.hopeless)

    def _give_back(self) -> None:
        backend = self.system.backend
        for _ in range(self.rng.randrange(1, 4)):
            if backend.holds and (held := [one for one in backend.payments() if backend.is_held(one)]):
                payment = self.rng.choice(held)
                self.scheduler.note("somebody gives back", payment)
                backend.undo_by_hand(payment)
                backend.holds_expired = True
            self.scheduler.sleep(self.system.workload.gap())


class ActsByHand(Decides):
    """A store admin settles, cancels, refunds and voids by hand while VTEX does the same; and decides.

    Expected: as if VTEX had asked for it.
    """

    name = "by-hand"

    def start(self) -> None:
        super().start()
        self.scheduler.spawn("store admin", self._repair, self.sometime(), may_crash=False)

    def _repair(self) -> None:
        for number in range(self.rng.randrange(1, 6)):
            self.scheduler.spawn(f"store admin's command {number}", lambda number=number: self._act(number))  # type: ignore[misc]
            self.scheduler.sleep(self.system.workload.gap())

    def _act(self, number: int) -> None:
        workload = self.system.workload
        known = workload.authorized()
        if not known:
            return
        payment, name = self.rng.choice(known), self.rng.choice(("settle", "cancel", "refund", "void"))
        amount = self.rng.choice((payment.amount, payment.amount // 200 * 100, 700))
        what = "settle" if name == "settle" else "cancel"
        answer = Answer(what, payment.value, f"by-hand-{number}", amount, self.scheduler.now)
        workload.asked.append(answer)
        try:
            workload.carry_out(answer, lambda _deadline: self._command(name, answer))
        except (NotPossible, TransactionNotFound) as error:
            answer.outcome, answer.error = "not possible", error
            self.scheduler.note("is told", repr(error))

    def _command(self, name: str, answer: Answer) -> ActView:
        """Do what the command line does: read the transaction, and then act on what was read."""
        parts = self.system.parts
        record = parts.storage.load(answer.transaction)
        if record is None:
            raise TransactionNotFound(answer.transaction)
        self.system.workload.provider(record.provider_id)  # there may be none now
        intend: Callable[..., by_hand.Intent] = getattr(by_hand, name)
        order = by_hand.Order("dora", answer.request_id, again=True)
        return by_hand.carry_out(parts, intend(parts, record, BRL.to_decimal(answer.amount), order)).act
