"""A giftbridge before a giftbridge before a backend: what VTEX asks the first moves money at the third once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.parts import Parts
from mappers.sandbox import Sandbox, running
from providers.registry import Registry
from tests.faults.sandbox_accounts import V1, V2, VAUCHAR, VOUCHERIFY, SandboxAccount
from tests.patience import patient
from tests.second_service import create_second_service, options_for

HEADERS = {"X-PROVIDER-API-AppKey": "first-key", "X-PROVIDER-API-AppToken": "first-token"}
FIRST = """
[first]
caption = "Cards of another service"
currency = "BRL"
mapper = "vtex_giftcards"
[[first.credentials]]
app_key = "first-key"
app_token = "first-token"
[first.options]
{options}
"""
CODE = "A-CARD-OF-ONE-HUNDRED"
ORDER = {"orderId": "v1-01", "clientProfile": {"email": "shopper@example.com", "document": "02906792063"}}

# What is answered, or lost after it had its effect. Of what is lost before, nobody could tell for the time of a lease.
FAULTS: dict[str, dict[str, Any]] = {
    "its answer is lost": {"kind": "drop_after"},
    "its answer is a 500": {"kind": "status_after"},
    "its answer is no JSON": {"kind": "junk"},
    "a 500 instead": {"kind": "status"},
}


@dataclass
class Chain:
    """Two services and a backend; `call` asks the first as the Hub would."""

    account: SandboxAccount
    first: FlaskClient
    second: Sandbox  # as the first reaches it
    backend: Sandbox
    backend_card: str
    card: str = ""

    def call(self, method: str, path: str, body: Any = None) -> TestResponse:
        return self.first.open(f"/first/giftcards{path}", method=method, json=body, headers=HEADERS)

    def answer(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.call(method, path, body)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def until_done(self, path: str, body: Any) -> Any:
        """Repeat a request as VTEX does: while the answer is that nobody knows."""
        for _ in range(5):
            answer = self.call("POST", path, body)
            if answer.status_code not in (503, 504):
                break
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def search(self) -> list[Any]:
        cart = {"redemptionCode": CODE, "grandTotal": 60.0, "items": []}
        found: list[Any] = self.answer("POST", "/_search", {"client": {"email": "shopper@example.com"}, "cart": cart})
        return found

    def authorize(self, value: float) -> str:
        body = {"operation": "Debit", "value": value, "requestId": "R1", "orderInfo": ORDER}
        return f"/{self.card}/transactions/{self.until_done(f'/{self.card}/transactions', body)['id']}"

    def settle(self, transaction: str, value: float, request_id: str) -> None:
        self.until_done(f"{transaction}/settlements", {"value": value, "requestId": request_id})

    def cancel(self, transaction: str, value: float, request_id: str) -> None:
        self.until_done(f"{transaction}/cancellations", {"value": value, "requestId": request_id})

    def listed(self, transaction: str, kind: str) -> list[float]:
        return [one["value"] for one in self.answer("GET", f"{transaction}/{kind}")]

    @property
    def balances(self) -> tuple[float, float]:
        """What the first service shows, and what the backend has less what the second one reserves."""
        shown = Decimal(str(self.answer("GET", f"/{self.card}")["balance"]))
        parts: Parts = self.second.app.extensions["giftbridge"]
        provider = parts.registry.get("second")
        assert provider is not None
        standing = parts.storage.standing(provider.backend.account, self.backend_card)
        there = self.account.balance(self.backend.app.extensions["backend"], self.backend_card)
        return float(shown), float(there - Decimal(standing.reserved) / 100)


def new_value(model: Any, code: str, balance: Decimal) -> str:
    """Make a Lightrail V2 value whose id does not tell its code."""
    fields = {"id": "a-value", "currency": "BRL", "balance": int(balance * 100), "code": code}
    return str(model.create_value(fields)["id"])


@pytest.fixture(params=[V1, replace(V2, new_card=new_value), VAUCHAR, VOUCHERIFY], ids=lambda account: account.mapper)
def chain(request: pytest.FixtureRequest, tmp_path: Path, empty_redis_url: str) -> Iterator[Chain]:
    account: SandboxAccount = request.param
    with ExitStack() as stack:
        backend = stack.enter_context(running(account.sandbox.create_app()))
        options = account.sandbox.DEMO_OPTIONS(backend.url)
        behind = create_second_service(tmp_path, f"{empty_redis_url}?db=1", account.mapper, options)
        second = stack.enter_context(running(behind))
        file = tmp_path / "first.toml"
        written = "\n".join(f'{name} = "{value}"' for name, value in options_for(second.url).items())
        file.write_text(FIRST.format(options=written))
        first = create_app(patient(redis_url=empty_redis_url), Registry.load(file))
        for service in (behind, first):
            service.extensions["giftbridge"].executor._sleep = lambda _seconds: None
        card = account.new_card(backend.app.extensions["backend"], CODE, Decimal(100))
        chain = Chain(account, first.test_client(), second, backend, card)
        chain.card = chain.search()[0]["id"]
        yield chain


def test_a_payment_goes_through_both(chain: Chain) -> None:
    assert [card["balance"] for card in chain.search()] == [100.0]
    transaction = chain.authorize(60.0)
    assert chain.balances == (40, 40)
    chain.settle(transaction, 30.0, "S1")
    chain.cancel(transaction, 10.0, "C1")
    assert chain.balances == (50, 50)
    chain.settle(transaction, 20.0, "S2")
    chain.cancel(transaction, 50.0, "C2")
    assert chain.balances == (100, 100)
    assert chain.listed(transaction, "settlements") == [30.0, 20.0]
    assert chain.listed(transaction, "cancellations") == [10.0, 50.0]
    over = chain.call("POST", f"{transaction}/cancellations", {"value": 0.01, "requestId": "C3"})
    assert (over.status_code, over.get_json()["error"]["code"]) == (422, "AmountExceeded")


def test_what_the_card_cannot_pay_is_refused_at_once(chain: Chain) -> None:
    body = {"operation": "Debit", "value": 100.01, "requestId": "R1", "orderInfo": ORDER}
    answer = chain.call("POST", f"/{chain.card}/transactions", body)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "InsufficientFunds")
    assert chain.balances == (100, 100)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("where", ["between the services", "before the backend"])
def test_whatever_is_lost_on_the_way_moves_once(chain: Chain, where: str, fault: str) -> None:
    """Each of the calls that move money meets the fault, at the first service's request or at the second one's."""
    meets = chain.second if where == "between the services" else chain.backend

    def meeting(act: Callable[..., Any], *arguments: Any) -> Any:
        for method in ("POST", "DELETE"):
            meets.faults.add(**FAULTS[fault], method=method)
        done = act(*arguments)
        meets.faults.clear()
        return done

    transaction = meeting(chain.authorize, 60.0)
    assert chain.balances == (40, 40)
    meeting(chain.settle, transaction, 30.0, "S1")
    meeting(chain.cancel, transaction, 10.0, "C1")
    assert chain.balances == (50, 50)
    meeting(chain.settle, transaction, 20.0, "S2")
    meeting(chain.cancel, transaction, 50.0, "C2")
    assert chain.balances == (100, 100)
    assert chain.listed(transaction, "settlements") == [30.0, 20.0]
    assert chain.listed(transaction, "cancellations") == [10.0, 50.0]
