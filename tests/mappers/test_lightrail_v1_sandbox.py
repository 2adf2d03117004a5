"""The stand-in Lightrail V1 answers as its documentation says."""

from datetime import timedelta

import pytest

from mappers.lightrail_v1.sandbox import API_KEY, CUSTOMERS, DEMO_OPTIONS, SEEDS, create_app

CODE = "V1ACT-100"
CART = {"cart": {"total": 10000, "items": [{"id": "red-hat", "quantity": 1, "unit_price": 10000}]}}


class Api:
    def __init__(self):
        self.app = create_app()
        self.model = self.app.extensions["backend"]
        self.http = self.app.test_client()
        self.headers = {"Authorization": f"Bearer {API_KEY}"}
        self.card = self.path(CODE)

    def path(self, code):
        return f"/cards/{self.model.by_code(code).id}"

    def call(self, method, path, **arguments):
        answer = self.http.open(f"/v1{path}", method=method, headers=self.headers, **arguments)
        return answer.status_code, answer.json

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body):
        return self.call("POST", path, json=body)

    def transact(self, name, value, path=None, **more):
        body = {"userSuppliedId": name, "value": value, "currency": "BRL"} | more
        return self.post(f"{path or self.card}/transactions", body)

    def hold(self, name="hold", value=-1000, **more):
        return self.transact(name, value, pending=True, **more)[1]["transaction"]

    def end(self, transaction, how, name, **more):
        path = f"/cards/{transaction['cardId']}/transactions/{transaction['transactionId']}/{how}"
        return self.post(path, {"userSuppliedId": name} | more)

    def value(self, code=CODE):
        return [store.value for store in self.model.by_code(code).stores]

    def types(self):
        rows = self.get(f"{self.card}/transactions")[1]["transactions"]
        return [(row["transactionType"], row["value"]) for row in rows]


@pytest.fixture
def api() -> Api:
    return Api()


def error_of(answer) -> tuple[int, str | None]:
    status, body = answer
    assert status < 400 or body["status"] == status
    return status, body.get("messageCode")


@pytest.mark.parametrize("header", [None, "Bearer wrong", API_KEY, f"bearer {API_KEY}"])
def test_wants_a_bearer_token(api, header):
    answer = api.http.get("/v1/ping", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.json == {"status": 401, "message": "Unauthorized", "code": "CREDENTIALS_INVALID"}


def test_a_ping_tells_the_mode(api):
    assert api.get("/ping")[1]["user"]["mode"] == "TEST"


@pytest.mark.parametrize("code", SEEDS)
def test_every_seed_is_found_by_its_code(api, code):
    path = f"/codes/{code.replace('%', '%25').replace('/', '%2F').replace('#', '%23')}/details"
    assert api.get(path)[1]["details"]["cardId"] == api.model.by_code(code).id


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("V1ACT-100", "ACTIVE"),
        ("V1FRO-50", "FROZEN"),
        ("V1EXP-50", "EXPIRED"),
        ("V1NST-50", "NOT_STARTED"),
        ("V1CAN-50", "CANCELLED"),
        ("V1INA-50", "INACTIVE"),
    ],
)
def test_only_an_active_card_can_be_drawn_on(api, code, state):
    store = api.get(f"{api.path(code)}/details")[1]["details"]["valueStores"][0]
    assert (store["state"], store["value"] > 0) == (state, True)
    assert error_of(api.transact("tx", -100, api.path(code)))[0] == (200 if state == "ACTIVE" else 400)


@pytest.mark.parametrize("path", ["/cards/none", "/cards/none/details", "/codes/none/details", "/programs/none"])
def test_what_is_not_there_is_404_with_the_status_in_the_body(api, path):
    assert error_of(api.get(path))[0] == 404


def test_an_unknown_card_is_card_not_found(api):
    assert error_of(api.get("/cards/none")) == (404, "CardNotFound")


def test_only_the_fullcode_shows_the_code(api):
    assert api.get(f"{api.card}/fullcode") == (200, {"fullcode": {"code": CODE}})
    assert CODE not in str(api.get(api.card)) + str(api.get(f"{api.card}/details"))


# Transactions


def test_a_drawdown_is_negative_and_a_funding_positive(api):
    _, drawn = api.transact("tx-1", -1000)
    expected = {"value": -1000, "transactionType": "DRAWDOWN", "transactionAccessMethod": "CARDID"}
    assert expected.items() <= drawn["transaction"].items()
    assert drawn["transaction"]["valueAvailableAfterTransaction"] == 9000
    assert api.transact("tx-2", 500)[1]["transaction"]["transactionType"] == "FUND"
    assert api.value() == [9500]


def test_a_code_can_only_be_drawn_on(api):
    assert api.transact("tx-1", -1000, f"/codes/{CODE}")[1]["transaction"]["transactionAccessMethod"] == "RAWCODE"
    assert error_of(api.transact("tx-2", 1000, f"/codes/{CODE}"))[0] == 400
    assert api.post(f"/codes/{CODE}/transactions/x/capture", {"userSuppliedId": "c"})[0] in (404, 405)


def test_too_much_is_400_insufficient_value(api):
    assert error_of(api.transact("tx", -10001)) == (400, "InsufficientValue")
    assert api.value() == [10000]


def test_another_currency_is_refused(api):
    assert error_of(api.transact("tx", -1, currency="USD"))[0] == 400


@pytest.mark.parametrize("name", [None, ""])
def test_a_transaction_needs_an_id(api, name):
    status, body = api.transact(name, -1)
    assert (status, body["message"]) == (400, "Missing required parameter 'userSuppliedId'")


def test_a_repeat_is_answered_with_the_first_result(api):
    first = api.transact("tx", -10000)
    assert api.transact("tx", -10000) == first
    assert api.value() == [0]


def test_another_request_under_the_same_id_is_409(api):
    api.transact("tx", -1000)
    assert api.transact("tx", -1001)[0] == 409
    assert api.transact("tx", -1000, metadata={"other": 1})[0] == 409
    assert api.value() == [9000]


def test_a_refusal_is_not_kept(api):
    api.transact("tx", -10001)
    api.transact("more", 1)
    assert api.transact("tx", -10001)[0] == 200


def test_a_hold_takes_the_value_at_once(api):
    assert api.hold()["transactionType"] == "PENDING_CREATE"
    assert api.value() == [9000]


def test_a_capture_shows_as_two_rows(api):
    hold = api.hold()
    status, body = api.end(hold, "capture", "cap")
    assert (status, body["transaction"]["parentTransactionId"]) == (200, hold["transactionId"])
    assert body["transaction"]["metadata"] == {"giftbit_initial_transaction_id": hold["transactionId"]}
    assert api.types() == [
        ("DRAWDOWN", -1000), ("PENDING_CAPTURE", 1000), ("PENDING_CREATE", -1000), ("INITIAL_VALUE", 10000),
    ]  # fmt: skip
    assert api.value() == [9000]


def test_a_void_gives_the_value_back(api):
    _, body = api.end(api.hold(), "void", "void")
    assert (body["transaction"]["transactionType"], body["transaction"]["value"]) == ("PENDING_VOID", 1000)
    assert api.value() == [10000]


def test_a_refund_gives_a_drawdown_back(api):
    captured = api.end(api.hold(), "capture", "cap")[1]["transaction"]
    _, body = api.end(captured, "refund", "refund")
    assert (body["transaction"]["transactionType"], body["transaction"]["value"]) == ("DRAWDOWN_REFUND", 1000)
    assert api.value() == [10000]


@pytest.mark.parametrize("how", ["capture", "void"])
@pytest.mark.parametrize("again", ["capture", "void"])
def test_a_hold_ends_only_once(api, how, again):
    hold = api.hold()
    first = api.end(hold, how, "end")
    assert api.end(hold, how, "end") == first
    assert api.end(hold, again, "other")[0] == 400


def test_a_refund_happens_once_and_of_drawdowns_only(api):
    hold = api.hold()
    assert api.end(hold, "refund", "r1")[0] == 400
    captured = api.end(hold, "capture", "cap")[1]["transaction"]
    assert [api.end(captured, "refund", name)[0] for name in ("r2", "r3")] == [200, 400]


def test_a_frozen_card_makes_no_transactions_until_unfrozen(api):
    hold = api.hold()
    frozen = api.post(f"{api.card}/freeze", {"userSuppliedId": "f"})[1]["transaction"]
    assert (frozen["transactionType"], frozen["value"]) == ("FREEZE", -9000)
    assert [api.end(hold, how, how)[0] for how in ("capture", "void")] == [400, 400]
    assert api.transact("tx", -1)[0] == 400
    assert api.post(f"{api.card}/unfreeze", {"userSuppliedId": "u"})[1]["transaction"]["value"] == 9000
    assert api.end(hold, "capture", "later")[0] == 200


def test_an_activated_card_can_be_used(api):
    card = api.path("V1INA-50")
    assert api.post(f"{card}/activate", {"userSuppliedId": "a"})[1]["transaction"]["value"] == 5000
    assert api.transact("tx", -5000, card)[0] == 200


def test_a_canceled_card_can_end_its_holds_only(api):
    hold = api.hold()
    assert api.post(f"{api.card}/cancel", {"userSuppliedId": "c"})[1]["card"]["cardId"] == hold["cardId"]
    assert api.transact("tx", -1)[0] == 400
    assert api.end(hold, "capture", "cap")[0] == 200


def test_a_card_expires_as_time_passes(api):
    api.model.advance(timedelta(days=365 * 100))
    assert api.transact("tx", -1, api.path("V1ACT-250"))[0] == 400


def test_transactions_are_found_by_id_and_type(api):
    hold = api.hold()
    api.end(hold, "capture", "cap")
    rows = api.get(f"{api.card}/transactions?userSuppliedId=cap")[1]["transactions"]
    assert [row["transactionType"] for row in rows] == ["DRAWDOWN"]
    rows = api.get(f"{api.card}/transactions?transactionType=PENDING_CREATE")[1]["transactions"]
    assert rows == [hold]
    assert api.get(f"{api.card}/transactions/{hold['transactionId']}") == (200, {"transaction": hold})


# Promotions


def test_a_promotion_pays_only_where_its_rule_is_met(api):
    card = api.path("V1PRO-30")
    assert error_of(api.transact("tx-1", -5000, card)) == (400, "InsufficientValue")
    assert error_of(api.transact("tx-2", -5000, card, metadata={"cart": {"total": 9999}})) == (400, "InsufficientValue")
    assert api.transact("tx-3", -5000, card, metadata=CART)[0] == 200
    assert api.value("V1PRO-30") == [0, 0]


def test_a_rule_may_ask_for_an_item(api):
    card = api.path("V1HAT-30")
    assert api.transact("tx-1", -3500, card, metadata={"cart": {"total": 99999, "items": []}})[0] == 400
    assert api.transact("tx-2", -3500, card, metadata=CART)[0] == 200


def test_what_expires_first_is_taken_first(api):
    expires = "2098-01-01T00:00:00.000Z"
    body = {"userSuppliedId": "p", "programId": "program-twenty-off", "currency": "BRL", "initialValue": 100}
    assert api.post(f"{api.path('V1ACT-250')}/valueStores", body | {"expires": expires})[0] == 200
    api.transact("tx", -150, api.path("V1ACT-250"), metadata=CART)
    assert api.value("V1ACT-250") == [24950, 0]


def test_a_hold_with_a_promotion_is_captured_with_the_same_metadata_only(api):
    status, body = api.transact("hold", -5000, api.path("V1PRO-30"), pending=True, metadata=CART)
    assert status == 200
    assert api.end(body["transaction"], "capture", "cap-1")[0] == 400
    assert api.end(body["transaction"], "capture", "cap-2", metadata=CART)[0] == 200


@pytest.mark.parametrize(("metadata", "most"), [({}, -3000), (CART, -5000)])
def test_a_dry_run_without_nsf_tells_the_most_it_could_pay(api, metadata, most):
    body = {"userSuppliedId": "dry", "value": -99999, "currency": "BRL", "nsf": False, "metadata": metadata}
    status, answer = api.post(f"{api.path('V1PRO-30')}/transactions/dryRun", body)
    row = answer["transaction"]
    assert (status, row["value"], row["transactionId"], row["dateCreated"]) == (200, most, None, None)
    assert api.value("V1PRO-30") == [3000, 2000]


def test_a_dry_run_with_nsf_is_refused_when_funds_are_short(api):
    body = {"userSuppliedId": "dry", "value": -10001, "currency": "BRL"}
    assert error_of(api.post(f"{api.card}/transactions/dryRun", body)) == (400, "InsufficientValue")


def test_a_dry_run_under_an_id_that_was_used_tells_what_was_done(api):
    done = api.transact("tx", -1)[1]
    body = {"userSuppliedId": "tx", "value": -500, "currency": "BRL", "nsf": False}
    assert api.post(f"{api.card}/transactions/dryRun", body) == (200, done)


# Cards, contacts, programs


def test_a_card_is_made_once_and_shows_its_categories(api):
    body = {
        "userSuppliedId": "new", "cardType": "GIFT_CARD", "programId": "program-gift-cards", "currency": "BRL",
        "initialValue": 500, "categories": {"city": "Recife"},
    }  # fmt: skip
    status, answer = api.post("/cards", body)
    assert (status, api.post("/cards", body)) == (200, (200, answer))
    labels = {label["key"]: label["value"] for label in answer["card"]["categories"]}
    assert labels["city"] == "Recife"
    assert labels["giftbit_program"] == "program-gift-cards"
    assert api.post("/cards", body | {"initialValue": 501})[0] == 409
    assert [card["userSuppliedId"] for card in api.get("/cards?userSuppliedId=new")[1]["cards"]] == ["new"]


@pytest.mark.parametrize(
    ("program", "value", "status"),
    [
        ("program-large", 999, 400),
        ("program-large", 1000, 200),
        ("program-large", 50001, 400),
        ("program-fixed", 5000, 200),
        ("program-fixed", 5001, 400),
        ("program-usd", 100, 400),
        ("none", 100, 404),
    ],
)
def test_a_program_limits_its_cards(api, program, value, status):
    body = {"userSuppliedId": "new", "cardType": "GIFT_CARD", "programId": program, "currency": "BRL"}
    assert api.post("/cards", body | {"initialValue": value})[0] == status


@pytest.mark.parametrize("email", CUSTOMERS)
def test_account_cards_are_found_through_their_contact(api, email):
    [contact] = api.get(f"/contacts?email={email}")[1]["contacts"]
    path = f"/cards?contactId={contact['contactId']}&cardType=ACCOUNT_CARD"
    assert len(api.get(path)[1]["cards"]) == 3
    cards = api.get(f"{path}&currency=XXX")[1]["cards"]
    assert [card["currency"] for card in cards] == ["XXX"]
    assert error_of(api.get(f"/cards/{cards[0]['cardId']}/fullcode"))[0] == 404


def test_an_account_card_needs_a_contact(api):
    body = {"userSuppliedId": "new", "cardType": "ACCOUNT_CARD", "currency": "BRL"}
    assert api.post("/cards", body)[0] == 400
    contact = api.post("/contacts", {"userSuppliedId": "bob", "email": "bob@example.com"})[1]["contact"]
    assert api.post("/cards", body | {"contactId": contact["contactId"]})[0] == 200


def test_lists_come_in_pages(api):
    status, body = api.get("/cards?limit=2&offset=1")
    assert (status, len(body["cards"])) == (200, 2)
    total = len(SEEDS) + 3
    assert body["pagination"] == {"count": 2, "limit": 2, "maxLimit": 1000, "offset": 1, "totalCount": total}


def test_the_deprecated_balance_tells_principal_and_attached(api):
    for path in (f"{api.path('V1PRO-30')}/balance", "/codes/V1PRO-30/card/balance"):
        balance = api.get(path)[1]["balance"]
        assert balance["principal"]["currentValue"] == 3000
        assert [store["currentValue"] for store in balance["attached"]] == [2000]


def test_one_promotion_can_be_frozen(api):
    card = api.model.by_code("V1PRO-30")
    path = f"{api.path('V1PRO-30')}/valueStores/{card.stores[1].id}/freeze"
    assert api.post(path, {"userSuppliedId": "f"})[1]["transaction"]["value"] == -2000
    assert api.transact("tx", -5000, api.path("V1PRO-30"), metadata=CART)[0] == 400


def test_each_app_starts_fresh(api):
    api.transact("tx", -1000)
    assert create_app().extensions["backend"].by_code(CODE).stores[0].value == 10000


def test_the_demo_options_point_at_it():
    options = DEMO_OPTIONS("http://127.0.0.1:1")
    assert (options["base_url"], options["api_key"]) == ("http://127.0.0.1:1/v1", API_KEY)
