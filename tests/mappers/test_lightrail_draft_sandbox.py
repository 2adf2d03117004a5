"""The sandbox for Lightrail's early V2 draft answers as the draft describes, and refuses as the README assumes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mappers.lightrail_draft.sandbox import API_KEY, DEMO_OPTIONS, SEEDS, create_app

CODE = "VS-ACTIVE-100"
CARD = {"rail": "lightrail", "code": CODE}


class Api:
    def __init__(self) -> None:
        self.app = create_app()
        self.model = self.app.extensions["backend"]
        self.http = self.app.test_client()
        self.headers = {"Authorization": f"Bearer {API_KEY}"}

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        answer = self.http.open(f"/v2{path}", method=method, headers=self.headers, json=body)
        return answer.status_code, answer.get_json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        return self.call("POST", path, body)

    def get(self, path: str) -> tuple[int, Any]:
        return self.call("GET", path)

    def debit(
        self, name: str = "tx", amount: float | str = 1000, source: dict[str, str] | int = CARD, **more: Any
    ) -> tuple[int, Any]:
        body = {"transactionId": name, "source": source, "amount": amount, "currency": "BRL"} | more
        return self.post("/transactions/debit", body)

    def order(self, *codes: str, price: int = 700, quantity: int = 1, **more: Any) -> tuple[int, Any]:
        sources = [{"rail": "lightrail", "code": code} for code in codes]
        items = [{"type": "product", "productId": "pid_1", "unitPrice": price, "quantity": quantity}]
        body = {"transactionId": "order", "currency": "BRL", "lineItems": items, "sources": sources}
        return self.post("/transactions/orders", body | {"simulate": True, "allowRemainder": True} | more)

    def balance(self, code: str = CODE) -> int:
        answer: int = self.model.by_code(code)["value"]
        return answer


@pytest.fixture
def api() -> Api:
    return Api()


def code_of(answer: tuple[int, Any]) -> tuple[int, str | None]:
    status, body = answer
    return status, body.get("messageCode")


@pytest.mark.parametrize("header", [None, "Bearer wrong", API_KEY, f"bearer {API_KEY}"])
def test_wants_a_bearer_token(api: Api, header: str | None) -> None:
    answer = api.http.get("/v2/programs", headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.get_json()) == (401, {"message": "Unauthorized", "statusCode": 401})


# Value stores


def test_there_is_no_lookup_by_code_an_unknown_filter_lists_every_value_store(api: Api) -> None:
    status, rows = api.get(f"/valueStores?code={CODE}")
    assert (status, len(rows)) == (200, len(SEEDS))
    assert api.get("/valueStores?code=NONE")[1] == rows


def test_the_filters_of_the_draft_work(api: Api) -> None:
    assert {row["currency"] for row in api.get("/valueStores?currency=USD")[1]} == {"USD"}


def test_lists_come_in_pages_by_offset(api: Api) -> None:
    answer = api.http.get("/v2/valueStores?limit=2&offset=1", headers=api.headers)
    assert [row["valueStoreId"] for row in answer.get_json()] == ["store-002", "store-003"]
    assert [answer.headers[name] for name in ("Limit", "MaxLimit", "Offset", "Count")] == ["2", "1000", "1", "2"]


def test_a_value_store_does_not_show_its_code_but_the_code_endpoint_does(api: Api) -> None:
    store_id = api.model.by_code(CODE)["valueStoreId"]
    assert CODE not in repr(api.get(f"/valueStores/{store_id}"))
    assert api.get(f"/valueStores/{store_id}/code") == (200, {"code": CODE})


def test_a_code_that_was_set_as_secure_is_shown_by_its_last_four(api: Api) -> None:
    body = {"code": "c3d177ff950b4e2796e341f65976e1b1", "secure": True}
    assert api.call("PUT", "/valueStores/store-001/code", body) == (200, {"code": "…e1b1"})
    assert api.get("/valueStores/store-001/code") == (200, {"code": "…e1b1"})
    assert isinstance(body["code"], str)
    assert api.order(body["code"])[1]["steps"][0]["valueStoreId"] == "store-001"


def test_a_code_can_be_deleted_and_belongs_to_one_value_store(api: Api) -> None:
    assert code_of(api.call("PUT", "/valueStores/store-001/code", {"code": CODE})) == (409, "ValueStoreCodeExists")
    assert api.call("DELETE", "/valueStores/store-001/code")[0] == 200
    assert api.get("/valueStores/store-001/code") == (200, {"code": None})


def test_a_value_store_is_created_once_from_a_program_with_a_code_of_its_own(api: Api) -> None:
    body = {"valueStoreId": "vs-1", "programId": "gift-cards-usd", "value": 2500}
    status, store = api.post("/valueStores", body)
    assert (status, store["currency"], store["value"], store["active"]) == (201, "USD", 2500, True)
    assert len(api.get("/valueStores/vs-1/code")[1]["code"]) == 16
    assert code_of(api.post("/valueStores", body)) == (409, "ValueStoreExists")


@pytest.mark.parametrize(
    ("program", "value", "expected"),
    [
        ("gift-cards-brl", 99, (409, None)),
        ("gift-cards-brl", 100001, (409, None)),
        ("gift-cards-fixed", 1000, (409, None)),
        ("gift-cards-retired", 1000, (409, None)),
        ("none", 1000, (404, "ProgramNotFound")),
        ("gift-cards-megabucks", "1000", (422, None)),
    ],
)
def test_a_program_sets_the_limits(api: Api, program: str, value: int | str, expected: tuple[int, str | None]) -> None:
    assert code_of(api.post("/valueStores", {"valueStoreId": "vs-1", "programId": program, "value": value})) == expected


def test_a_value_store_can_be_changed_but_not_its_value(api: Api) -> None:
    assert api.call("PATCH", "/valueStores/store-001", {"frozen": True, "value": 1})[1]["frozen"] is True
    assert api.get("/valueStores/store-001")[1]["value"] == 25000


def test_programs_are_made_and_read(api: Api) -> None:
    body = {"programId": "new", "currency": "megabucks", "access": "secureCode", "minInitialValue": 5}
    assert api.post("/programs", body)[1]["minInitialValue"] == 5
    assert api.get("/programs/new")[1]["currency"] == "megabucks"
    assert code_of(api.post("/programs", body)) == (409, "ProgramExists")
    assert code_of(api.get("/programs/none")) == (404, "ProgramNotFound")
    assert api.get("/programs?currency=megabucks")[1][0]["programId"] == "new"


# Transactions


def test_a_debit_takes_and_shows_what_it_took(api: Api) -> None:
    status, body = api.debit()
    assert (status, body["transactionType"], body["remainder"]) == (201, "debit", 0)
    assert not {"currency", "simulated"} & set(body)
    step = body["steps"][0]
    assert (step["valueBefore"], step["valueChange"], step["valueAfter"], api.balance()) == (10000, -1000, 9000, 9000)
    assert "pending" not in body
    assert api.get("/transactions/tx") == (200, body)


def test_a_remainder_may_be_allowed(api: Api) -> None:
    assert code_of(api.debit(amount=10001)) == (409, "InsufficientValue")
    assert api.debit(amount=10001, allowRemainder=True)[1]["remainder"] == 1
    assert api.balance() == 0


@pytest.mark.parametrize(
    "code",
    ["VS-EXPIRED", "VS-NOT-STARTED", "VS-FROZEN", "VS-INACTIVE", "VS-NO-USES", "VS-DOLLARS", "VS-OVER", "NONE"],
)
def test_who_cannot_pay_is_no_party_to_a_debit_and_passed_over_in_an_order(api: Api, code: str) -> None:
    assert code_of(api.debit(source={"rail": "lightrail", "code": code})) == (409, "InvalidParty")
    status, body = api.order(code)
    assert (status, body["steps"], body["remainder"]) == (200, [], 700)


def test_an_empty_card_has_a_step_in_an_order(api: Api) -> None:
    assert api.order("VS-EMPTY")[1]["steps"][0]["valueChange"] == 0


def test_a_repeat_is_answered_by_the_first_check_that_fails(api: Api) -> None:
    api.debit(amount=4000)
    assert code_of(api.debit(amount=4000)) == (409, "TransactionExists")
    assert code_of(api.debit(amount=7000)) == (409, "InsufficientValue")
    api.model.by_code(CODE)["frozen"] = True
    assert code_of(api.debit(amount=7000)) == (409, "InvalidParty")
    assert api.balance() == 6000


@pytest.mark.parametrize(
    ("path", "word", "repeat", "balance"),
    [("capture", "captured", "TransactionCaptured", 9000), ("void", "void", "TransactionVoided", 10000)],
)
def test_a_hold_ends_only_once_and_answers_itself(api: Api, path: str, word: str, repeat: str, balance: int) -> None:
    assert (api.debit(pending=True)[1]["pending"], api.balance()) == ("pending", 9000)
    status, body = api.post(f"/transactions/tx/{path}")
    assert (status, body["transactionId"], body["transactionType"], body["pending"]) == (200, "tx", "debit", word)
    for again in ("capture", "void"):
        assert code_of(api.post(f"/transactions/tx/{again}")) == (409, repeat)
    assert (api.get("/transactions/tx")[1]["pending"], api.balance()) == (word, balance)


def test_what_was_not_held_cannot_be_ended(api: Api) -> None:
    api.debit()
    assert code_of(api.post("/transactions/tx/capture")) == (409, "TransactionNotPending")
    assert code_of(api.post("/transactions/none/void")) == (404, "TransactionNotFound")


@pytest.mark.parametrize(
    "difference", [{"amount": 5.5}, {"amount": 0}, {"amount": "5"}, {"pending": "P1D"}, {"source": 1}]
)
def test_a_body_that_breaks_the_schema_is_a_422_without_a_code(api: Api, difference: dict[str, Any]) -> None:
    assert code_of(api.debit(**difference)) == (422, None)


def test_a_credit_adds(api: Api) -> None:
    body = {"transactionId": "tx", "destination": CARD, "amount": 5, "currency": "BRL"}
    assert api.post("/transactions/credit", body)[1]["steps"][0]["valueAfter"] == 10005
    assert code_of(api.post("/transactions/credit", body)) == (409, "TransactionExists")


def test_a_simulated_order_tells_who_would_pay_and_moves_nothing(api: Api) -> None:
    status, body = api.order("VS-ACTIVE-10", CODE, CODE, price=700, quantity=2)
    assert (status, body["totals"]["payable"], body["remainder"]) == (200, 1400, 0)
    assert [step["valueChange"] for step in body["steps"]] == [-1000, -400]
    assert (api.balance(), code_of(api.get("/transactions/order"))) == (10000, (404, "TransactionNotFound"))


@pytest.mark.parametrize(
    ("code", "price", "taken"),
    [("VS-CART-50", 4999, 0), ("VS-CART-50", 5000, 5000), ("VS-HAT-50", 5000, 0)],
)
def test_a_rule_decides_in_an_order_what_a_value_store_pays(api: Api, code: str, price: int, taken: int) -> None:
    status, body = api.order(code, price=price, quantity=2)
    assert (status, body["steps"][0]["valueChange"], body["remainder"]) == (200, -taken, 2 * price - taken)


def test_a_rule_is_passed_by_in_a_debit(api: Api) -> None:
    assert api.debit(source={"rail": "lightrail", "code": "VS-HAT-50"})[0] == 201


def test_a_hold_that_is_not_captured_is_voided_by_itself(api: Api) -> None:
    api.debit("captured", pending=True)
    api.post("/transactions/captured/capture")
    api.debit("waits", pending=True)
    api.model.advance(timedelta(days=7))
    assert code_of(api.post("/transactions/waits/capture")) == (409, "TransactionVoided")
    assert [api.get(f"/transactions/{name}")[1]["pending"] for name in ("captured", "waits")] == ["captured", "void"]
    assert api.balance() == 9000


def test_a_real_order_is_paid_from_its_sources(api: Api) -> None:
    assert code_of(api.order("VS-ACTIVE-10", price=1001, simulate=False, allowRemainder=False))[0] == 409
    assert api.order("VS-ACTIVE-10", CODE, price=1001, simulate=False)[1]["remainder"] == 0
    assert (api.balance("VS-ACTIVE-10"), api.balance()) == (0, 9999)


def test_an_unparsable_body_is_a_400(api: Api) -> None:
    answer = api.http.post("/v2/transactions/debit", headers=api.headers, data="{")
    assert answer.status_code == 400


def test_an_unknown_path_is_answered_without_lightrails_own_error(api: Api) -> None:
    assert api.get("/values") == (404, {"message": "Not Found"})


def test_each_app_starts_fresh(api: Api) -> None:
    api.model.spend(CODE, 100)
    assert (api.balance(), create_app().extensions["backend"].by_code(CODE)["value"]) == (9900, 10000)


def test_the_demo_options_point_at_it() -> None:
    expected = {"base_url": "http://127.0.0.1:1/v2", "api_key": API_KEY, "program_id": "gift-cards-brl"}
    assert DEMO_OPTIONS("http://127.0.0.1:1") == expected
