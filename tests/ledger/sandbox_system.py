"""The ledger with real mappers, over real sockets, before the sandboxes of their backends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import ActState, Decision, Operation
from mappers.base import Holds, Mapper, Receipt, Step, Undecidable, Verb
from mappers.deadline import Deadline
from mappers.money import Currency
from mappers.sandbox import Sandbox, running
from mappers.vauchar import sandbox as vauchar_sandbox
from mappers.vauchar.mapper import Vauchar, VaucharOptions
from mappers.voucherify import sandbox as voucherify_sandbox
from mappers.voucherify.mapper import Voucherify, VoucherifyOptions
from providers.provider import Provider
from tests.ledger.system import System
from tests.money import minor

BRL = Currency.of("BRL")
VAUCHAR_CODE = "VAUCHAR-ACTIVE-100"


@dataclass
class SandboxSystem:
    """A system whose provider has a real mapper, with the sandbox of its backend behind it."""

    system: System
    mapper: Mapper
    sandbox: Sandbox
    card: Any

    def __post_init__(self) -> None:
        self.provider: Provider = replace(self.system.provider, mapper=self.mapper)
        self.system.registry.serve(self.provider)

    @property
    def backend(self) -> Any:
        return self.sandbox.app.extensions["backend"]

    def authorize(self, value: str) -> str:
        request = AuthorizationRequest(self.card.id, Operation.DEBIT, minor(value), "order-1")
        return self.system.ledger.authorize(self.provider, request, System.deadline(10))

    def settle(self, transaction: str, value: str, request_id: str) -> None:
        self.system.ledger.settle(self.provider, self._change(transaction, value, request_id), System.deadline(10))

    def cancel(self, transaction: str, value: str, request_id: str) -> None:
        self.system.ledger.cancel(self.provider, self._change(transaction, value, request_id), System.deadline(10))

    def decide(self, transaction: str, *, happened: bool, reference: str = "") -> None:
        address = self.system.record(transaction).address
        self.system.ledger.decide(self.provider, address, System.deadline(10), Decision("ana", happened, reference))

    def states(self, transaction: str) -> list[ActState]:
        return [act.state for act in self.system.record(transaction).acts]

    @contextmanager
    def undecidable(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Let money move at the backend, which then can neither show nor deny it."""
        run = self.mapper.run

        def cannot_tell(step: Step, deadline: Deadline) -> Receipt:
            receipt = run(step, deadline)
            if step.verb is Verb.LOOK:
                return receipt
            raise Undecidable("it cannot tell")

        def says_nothing(step: Step, deadline: Deadline) -> Receipt | None:
            raise Undecidable("it cannot tell")

        with monkeypatch.context() as broken:
            broken.setattr(self.mapper, "run", cannot_tell)
            broken.setattr(self.mapper, "ask", says_nothing)
            yield

    def _change(self, transaction: str, value: str, request_id: str) -> ChangeRequest:
        return ChangeRequest(self.card.id, transaction, minor(value), request_id)


@contextmanager
def vauchar_system(system: System) -> Iterator[SandboxSystem]:
    with running(vauchar_sandbox.create_app()) as sandbox:
        options = VaucharOptions(**vauchar_sandbox.DEMO_OPTIONS(sandbox.url))
        card = sandbox.app.extensions["backend"].by_code(VAUCHAR_CODE)
        yield SandboxSystem(system, Vauchar("demo", BRL, Holds.LEDGER, options), sandbox, card)


@contextmanager
def voucherify_system(system: System) -> Iterator[SandboxSystem]:
    with running(voucherify_sandbox.create_app()) as sandbox:
        options = VoucherifyOptions(**voucherify_sandbox.DEMO_OPTIONS(sandbox.url))
        card = sandbox.app.extensions["backend"].find("VOUCHERIFY-ACTIVE-100")
        yield SandboxSystem(system, Voucherify("demo", BRL, Holds.LEDGER, options), sandbox, card)
