"""The ledger with real mappers, over real sockets, before the sandboxes of their backends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
import requests

from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import ActState, Decision, Operation
from mappers.base import Holds, Mapper, Memo, Query, Receipt, Step, Undecidable, Verb
from mappers.deadline import Deadline
from mappers.lightrail_v1 import sandbox as v1_sandbox
from mappers.lightrail_v1.mapper import LightrailV1, LightrailV1Options
from mappers.lightrail_v2 import sandbox as v2_sandbox
from mappers.lightrail_v2.mapper import LightrailV2, LightrailV2Options
from mappers.money import Currency
from mappers.sandbox import Sandbox, running
from mappers.vauchar import sandbox as vauchar_sandbox
from mappers.vauchar.mapper import Vauchar, VaucharOptions
from mappers.voucherify import sandbox as voucherify_sandbox
from mappers.voucherify.mapper import Voucherify, VoucherifyOptions
from mappers.vtex_giftcards import sandbox as vtex_sandbox
from mappers.vtex_giftcards.mapper import VtexGiftcards, VtexGiftcardsOptions
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

    def authorize(self, value: str, request_id: str = "order-1", memo: Memo | None = None) -> str:
        told = memo or Memo(order_id=request_id)
        purchase = told.description, told.order_id, told.customer, told.cart
        request = AuthorizationRequest(self.card.id, Operation.DEBIT, minor(value), request_id, *purchase)
        return self.system.ledger.authorize(self.provider, request, System.deadline(10))

    def credit(self, value: str, request_id: str = "credit-1") -> str:
        request = AuthorizationRequest(self.card.id, Operation.CREDIT, minor(value), request_id)
        return self.system.ledger.authorize(self.provider, request, System.deadline(10))

    def settle(self, transaction: str, value: str, request_id: str) -> None:
        self.system.ledger.settle(self.provider, self._change(transaction, value, request_id), System.deadline(10))

    def cancel(self, transaction: str, value: str, request_id: str) -> None:
        self.system.ledger.cancel(self.provider, self._change(transaction, value, request_id), System.deadline(10))

    def decide(self, transaction: str, *, happened: bool, reference: str = "") -> None:
        address = self.system.record(transaction).address
        self.system.ledger.decide(self.provider, address, System.deadline(10), Decision("ana", happened, reference))

    def reference(self, transaction: str, act: int = 0) -> str:
        """The backend's id of what an act of a transaction made there."""
        *_, step = self.system.record(transaction).acts[act].steps
        assert step.receipt is not None
        return step.receipt.reference

    @property
    def spendable(self) -> int:
        return self.mapper.get_card(self.card.id, System.deadline(10)).balance

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


@contextmanager
def vtex_system(system: System) -> Iterator[SandboxSystem]:
    with running(vtex_sandbox.create_app()) as sandbox:
        mapper = VtexGiftcards(
            "demo", BRL, Holds.NATIVE, VtexGiftcardsOptions(**vtex_sandbox.DEMO_OPTIONS(sandbox.url))
        )
        card = sandbox.app.extensions["backend"].by_code("VTEX-ACTIVE-100")
        yield SandboxSystem(system, mapper, sandbox, card)


@contextmanager
def lightrail_v1_system(system: System, holds: Holds = Holds.NATIVE) -> Iterator[SandboxSystem]:
    with running(v1_sandbox.create_app()) as sandbox:
        mapper = LightrailV1("demo", BRL, holds, LightrailV1Options(**v1_sandbox.DEMO_OPTIONS(sandbox.url)))
        (card,) = mapper.find(Query(code="V1ACT-100"), System.deadline(10))
        yield SandboxSystem(system, mapper, sandbox, card)


@contextmanager
def lightrail_v2_system(system: System, holds: Holds = Holds.NATIVE) -> Iterator[SandboxSystem]:
    with running(v2_sandbox.create_app()) as sandbox:
        mapper = LightrailV2("demo", BRL, holds, LightrailV2Options(**v2_sandbox.DEMO_OPTIONS(sandbox.url)))
        (card,) = mapper.find(Query(code="LIGHT-ACTIVE-100"), System.deadline(10))
        yield SandboxSystem(system, mapper, sandbox, card)


class Dashboard:
    """A person at the backend's own dashboard, who knows nothing of the ledger's keys and notes."""

    def __init__(self, system: SandboxSystem) -> None:
        self._url = system.sandbox.url
        self._mapper = system.mapper
        self._card = system.card.id

    def capture(self, hold: str) -> None:
        self._end("capture", hold)

    def void(self, hold: str) -> None:
        self._end("void", hold)

    def give_back(self, taken: str) -> None:
        match self._mapper:
            case LightrailV1():
                self._end("refund", taken)
            case LightrailV2():
                self._end("reverse", taken)
            case Voucherify():
                headers = {"X-App-Id": voucherify_sandbox.APP_ID, "X-App-Token": voucherify_sandbox.APP_TOKEN}
                url = f"{self._url}/v1/redemptions/{taken}/rollback"
                requests.post(url, json={}, headers=headers, timeout=10).raise_for_status()
            case _:
                credentials = vauchar_sandbox.MERCHANT_ID, vauchar_sandbox.API_KEY
                url = f"{self._url}/gift-cards/{self._card}/redemptions/{taken}"
                requests.delete(url, auth=credentials, timeout=10).raise_for_status()

    def _end(self, how: str, transaction: str) -> None:
        key = f"dashboard-{uuid4().hex}"
        if isinstance(self._mapper, LightrailV1):
            url = f"{self._url}/v1/cards/{self._card}/transactions/{transaction}/{how}"
            body, token = {"userSuppliedId": key}, v1_sandbox.API_KEY
        else:
            url = f"{self._url}/v2/transactions/{transaction}/{how}"
            body, token = {"id": key}, v2_sandbox.API_KEY
        requests.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=10).raise_for_status()
