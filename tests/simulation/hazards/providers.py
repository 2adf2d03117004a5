"""Several providers: one card programme for several stores, and stores that name each other's transactions."""

from __future__ import annotations

from app.ledger.service import ChangeRequest
from tests.simulation.hazards.hazard import Hazard
from tests.simulation.kinds import build
from tests.simulation.system import PROVIDER
from tests.simulation.workload import Answer

SECOND = "south"


class SharedAccount(Hazard):
    """Two stores, each with a provider of its own, pay with the same cards of one backend account.

    Expected: as if they were one: a card is not promised twice, and no provider's payment is taken for the other's.
    """

    name = "shared-account"

    def prepare(self) -> None:
        system = self.system
        mapper = build(SECOND, system.kind, system.server)
        system.registry.serve(system.provider_with(system.mapper), system.provider_with(mapper, name=SECOND))
        system.workload.stores = [PROVIDER, SECOND]


class ForeignCredentials(SharedAccount):
    """A store that has learned another store's transaction settles and cancels it, with credentials of its own.

    Expected: there is no such transaction for it, and nothing moves.
    """

    name = "foreign-credentials"

    def prepare(self) -> None:
        super().prepare()
        self.system.workload.stores = [PROVIDER]

    def start(self) -> None:
        self.scheduler.spawn("another store", self._try, self.sometime(), may_crash=False)

    def _try(self) -> None:
        for number in range(self.rng.randrange(1, 5)):
            if known := self.system.workload.authorized():
                self._change(self.rng.choice(known), number)
            self.scheduler.sleep(self.system.workload.gap())

    def _change(self, known: Answer, number: int) -> None:
        service, workload = self.system.ledger, self.system.workload
        use_case = self.rng.choice((service.settle, service.cancel))
        amount = self.rng.choice((known.amount, 700))
        request = ChangeRequest(known.card_id, known.value, amount, f"foreign-{number}")
        answer = Answer("foreign", known.value, request.request_id, amount, self.scheduler.now)
        workload.carry_out(answer, lambda deadline: use_case(workload.provider(SECOND), request, deadline))
        if answer.outcome == "done":
            self.broken.append(f"{SECOND} did something to {known.value}, which is {PROVIDER}'s")
