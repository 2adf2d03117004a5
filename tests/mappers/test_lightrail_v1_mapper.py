"""Lightrail V1 over real sockets: what a shopper's money goes through."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mappers.base import (
    Act,
    ActKind,
    BackendUnavailable,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Cart,
    CartItem,
    Customer,
    DoneStep,
    Holds,
    InsufficientFunds,
    Memo,
    NewCard,
    Origin,
    OutcomeUnknown,
    Query,
    Secret,
    Transaction,
    Unsupported,
    Verb,
)
from mappers.deadline import Deadline
from mappers.lightrail_v1.mapper import LightrailV1, LightrailV1Options
from mappers.lightrail_v1.sandbox import DEMO_OPTIONS, SEEDS, create_app
from mappers.money import Currency
from mappers.sandbox import running

ANA = Customer("ana@example.com", email="ana@example.com")
LARGE = Cart(10000, (CartItem("sku-1", 1, 10000),))
SMALL = Cart(9999, (CartItem("sku-1", 1, 9999),))
HAT = Cart(500, (CartItem("red-hat", 1, 500),))


def soon() -> Deadline:
    return Deadline.after(10)


def connect(sandbox, holds=Holds.NATIVE, currency="BRL", **options) -> LightrailV1:
    given = DEMO_OPTIONS(sandbox.url) | options
    return LightrailV1(
        "acme", Currency.of(currency), holds, LightrailV1Options(**given | {"api_key": Secret(given["api_key"])})
    )


class Story:
    """One transaction on one card, told as the ledger would: plan, run, write down what is done."""

    def __init__(self, sandbox, mapper, code="V1ACT-100", amount=1000, *, credit=False, cart=None):
        self.mapper, self.model = mapper, sandbox.app.extensions["backend"]
        self.card = self.model.by_code(code)
        memo = Memo("v1-01", "Order v1-01", ANA, cart)
        self.transaction = Transaction("gb-0", self.card.id, amount, mapper.holds, credit, memo=memo)
        self.number = 0

    def do(self, kind, amount, released=0, refunded=0):
        """Run an act's steps and return their verbs."""
        self.number += 1
        steps = self.mapper.plan(Act(kind, amount, released, refunded), self.transaction)
        for part, planned in enumerate(steps, 1):
            origin = Origin("gb-0", "r-1", kind, f"gb-0-{self.number}", amount, released, refunded)
            step = replace(planned, key=f"gb-0-{self.number}-{part}", origin=origin)
            done = DoneStep(step.verb, step.amount, self.mapper.run(step, soon()), step.key)
            self.transaction = replace(self.transaction, done=(*self.transaction.done, done))
        return [step.verb for step in steps]

    def hold(self):
        return self.do(ActKind.DEBIT, self.transaction.amount)

    def rows(self):
        return [(row["transactionType"], row["value"]) for row in self.card.transactions[1:]]

    @property
    def value(self):
        return [store.value for store in self.card.stores]


@pytest.fixture
def sandbox():
    with running(create_app()) as sandbox:
        yield sandbox


@pytest.fixture
def mapper(sandbox) -> LightrailV1:
    return connect(sandbox)


@pytest.fixture
def story(sandbox, mapper) -> Story:
    return Story(sandbox, mapper)


# Cards


@pytest.mark.parametrize("code", SEEDS)
def test_every_seed_is_found_as_what_it_is(mapper, code):
    statuses = {
        "V1FRO": CardStatus.FROZEN, "V1EXP": CardStatus.EXPIRED, "V1NST": CardStatus.NOT_STARTED,
        "V1CAN": CardStatus.CANCELED, "V1INA": CardStatus.INACTIVE, "V1USD": CardStatus.WRONG_CURRENCY,
        "V1JPY": CardStatus.WRONG_CURRENCY, "V1KWD": CardStatus.WRONG_CURRENCY, "V1PTS": CardStatus.WRONG_CURRENCY,
    }  # fmt: skip
    [card] = mapper.find(Query(code=code), soon())
    assert card.status is statuses.get(code[:5], CardStatus.ACTIVE)
    assert card.code_mask
    assert code not in repr(card)


@pytest.mark.parametrize(
    ("currency", "code", "amount"), [("JPY", "V1JPY-5000", 5000), ("KWD", "V1KWD-5", 5000), ("XXX", "V1PTS-900", 900)]
)
def test_odd_currencies_pay_in_their_own_unit(sandbox, currency, code, amount):
    mapper = connect(sandbox, currency=currency)
    [card] = mapper.find(Query(code=code), soon())
    assert (card.balance, card.status) == (amount, CardStatus.ACTIVE)
    story = Story(sandbox, mapper, code, amount)
    story.hold()
    story.do(ActKind.CAPTURE, amount)
    assert story.value == [0]


def test_the_code_is_in_no_url_but_the_lookups(sandbox, mapper):
    [card] = mapper.find(Query(code="V1PRO-30", cart=LARGE), soon())
    mapper.get_card(card.id, soon())
    Story(sandbox, mapper, "V1PRO-30").hold()
    assert [request.path for request in sandbox.requests if "V1PRO-30" in request.path] == [
        "/v1/codes/V1PRO-30/details"
    ]


# Account cards


def test_a_customers_account_cards_in_our_currency_are_found_without_a_code(sandbox):
    mapper = connect(sandbox, loyalty_caption="Store credit", loyalty_relation_name="Shopper")
    cards = mapper.find(Query(customer=ANA), soon())
    shown = [(card.balance, card.caption, card.relation_name) for card in cards]
    assert sorted(shown) == [(1500, "Store credit", "Shopper"), (4000, "Birthday credit", "Club")]
    assert {card.status for card in cards} == {CardStatus.ACTIVE}


def test_points_are_found_by_a_provider_of_points(sandbox):
    [card] = connect(sandbox, currency="XXX").find(Query(customer=ANA), soon())
    assert (card.balance, card.currency, card.caption) == (900, "XXX", "Points")


def test_an_account_card_is_the_same_by_search_and_by_id(mapper):
    for card in mapper.find(Query(customer=ANA), soon()):
        again = mapper.get_card(card.id, soon())
        assert (again.id, again.balance, again.caption) == (card.id, card.balance, card.caption)


def test_the_customers_document_may_be_the_contacts_id(sandbox):
    mapper = connect(sandbox, contact_key="userSuppliedId")
    assert len(mapper.find(Query(customer=Customer("12345678909")), soon())) == 2
    assert mapper.find(Query(customer=ANA), soon()) == []


def test_an_account_card_pays(sandbox, mapper):
    [card] = [card for card in mapper.find(Query(customer=ANA), soon()) if card.balance == 4000]
    story = Story(sandbox, mapper, amount=4000)
    story.transaction = replace(story.transaction, card_id=card.id)
    story.hold()
    assert mapper.get_card(card.id, soon()).balance == 0


def test_code_and_customer_are_told_apart(mapper):
    assert mapper.find(Query(code="", customer=ANA), soon()) == []


# Promotions


@pytest.mark.parametrize(
    ("code", "cart", "balance"),
    [
        ("V1PRO-30", None, 3000),
        ("V1PRO-30", SMALL, 3000),
        ("V1PRO-30", LARGE, 5000),
        ("V1HAT-30", LARGE, 3000),
        ("V1HAT-30", HAT, 3500),
    ],
)
def test_a_search_counts_the_promotions_that_its_cart_unlocks(mapper, code, cart, balance):
    assert mapper.find(Query(code=code, cart=cart), soon())[0].balance == balance


def test_by_id_a_card_is_worth_what_it_can_pay_for_certain(mapper):
    [card] = mapper.find(Query(code="V1PRO-30", cart=LARGE), soon())
    assert mapper.get_card(card.id, soon()).balance == 3000


def test_a_store_may_leave_restricted_promotions_out_so_that_search_and_get_always_agree(sandbox):
    mapper = connect(sandbox, restricted_promotions=False)
    assert mapper.find(Query(code="V1PRO-30", cart=LARGE), soon())[0].balance == 3000


def test_a_card_without_restrictions_costs_no_dry_run(sandbox, mapper):
    mapper.find(Query(code="V1ACT-100", cart=LARGE), soon())
    assert not any("dryRun" in request.path for request in sandbox.requests)


def test_a_search_moves_nothing(sandbox, mapper):
    mapper.find(Query(code="V1PRO-30", cart=LARGE), soon())
    assert Story(sandbox, mapper, "V1PRO-30").value == [3000, 2000]


@pytest.mark.parametrize("holds", LightrailV1.supported_holds)
def test_what_the_search_showed_can_be_paid_with_the_same_cart(sandbox, holds):
    story = Story(sandbox, connect(sandbox, holds), "V1PRO-30", 5000, cart=LARGE)
    story.hold()
    story.do(ActKind.CAPTURE, 5000)
    assert story.value == [0, 0]


def test_without_its_cart_a_promotion_does_not_pay(sandbox, mapper):
    with pytest.raises(InsufficientFunds):
        Story(sandbox, mapper, "V1PRO-30", 5000, cart=SMALL).hold()


def test_a_promotion_gets_its_own_money_back_when_all_goes_back(sandbox, mapper):
    story = Story(sandbox, mapper, "V1PRO-30", 5000, cart=LARGE)
    story.hold()
    story.do(ActKind.CAPTURE, 5000)
    story.do(ActKind.RELEASE, 5000, refunded=5000)
    assert story.value == [3000, 2000]


# Money


def test_a_hold_keeps_the_money_at_once_and_is_captured_whole(story):
    assert story.hold() == [Verb.HOLD]
    assert story.value == [9000]
    assert story.do(ActKind.CAPTURE, 400) == [Verb.CAPTURE]
    assert story.do(ActKind.CAPTURE, 600) == []
    assert story.rows() == [("PENDING_CREATE", -1000), ("PENDING_CAPTURE", 1000), ("DRAWDOWN", -1000)]


def test_a_whole_hold_is_voided(story):
    story.hold()
    assert story.do(ActKind.RELEASE, 1000, released=1000) == [Verb.RELEASE]
    assert story.rows()[-1] == ("PENDING_VOID", 1000)
    assert story.value == [10000]


def test_a_part_of_a_hold_goes_back_as_value_after_a_capture(story):
    story.hold()
    assert story.do(ActKind.RELEASE, 300, released=300) == [Verb.CAPTURE, Verb.REFUND]
    assert story.rows()[-2:] == [("DRAWDOWN", -1000), ("FUND", 300)]
    assert story.value == [9300]


@pytest.mark.parametrize(("parts", "row"), [([1000], "DRAWDOWN_REFUND"), ([400, 600], "FUND")])
def test_all_at_once_is_refunded_and_parts_are_funded(story, parts, row):
    story.hold()
    story.do(ActKind.CAPTURE, 1000)
    for part in parts:
        assert story.do(ActKind.RELEASE, part, refunded=part) == [Verb.REFUND]
    assert story.rows()[-1] == (row, parts[-1])
    assert story.value == [10000]


def test_a_debit_up_front_is_a_drawdown_and_its_refund(sandbox):
    story = Story(sandbox, connect(sandbox, Holds.UPFRONT))
    assert story.hold() == [Verb.DEBIT]
    assert story.do(ActKind.CAPTURE, 1000) == []
    assert story.do(ActKind.RELEASE, 1000, refunded=1000) == [Verb.REFUND]
    assert story.rows() == [("DRAWDOWN", -1000), ("DRAWDOWN_REFUND", 1000)]


def test_the_hold_of_a_transaction_outlives_a_change_of_policy(sandbox, story):
    story.hold()
    story.mapper = connect(sandbox, Holds.UPFRONT)
    assert story.do(ActKind.CAPTURE, 1000) == [Verb.CAPTURE]


def test_a_credit_is_funded_and_taken_back(sandbox, mapper):
    story = Story(sandbox, mapper, credit=True)
    story.do(ActKind.CREDIT, 1000)
    assert story.value == [11000]
    assert story.do(ActKind.RELEASE, 1000, refunded=1000) == [Verb.DEBIT]
    assert story.value == [10000]


def test_a_hold_that_drained_the_card_is_replayed(sandbox, mapper):
    story = Story(sandbox, mapper, amount=10000)
    step = replace(mapper.plan(Act(ActKind.DEBIT, 10000), story.transaction)[0], key="gb-0-1-1")
    assert mapper.run(step, soon()) == mapper.run(step, soon()) == mapper.ask(step, soon())
    assert story.value == [0]


@pytest.mark.parametrize(
    ("code", "status"),
    [("V1FRO-50", "frozen"), ("V1EXP-50", "expired"), ("V1CAN-50", "canceled"), ("V1NST-50", "not started")],
)
def test_a_card_that_cannot_pay_is_refused_with_the_reason(sandbox, mapper, code, status):
    with pytest.raises(CardUnusable, match=status):
        Story(sandbox, mapper, code, 100).hold()


def test_a_card_frozen_after_the_hold_refuses_its_capture_until_it_is_unfrozen(story):
    story.hold()
    story.model.switch(story.card, "FREEZE", {"userSuppliedId": "f"})
    with pytest.raises(CardUnusable, match="frozen"):
        story.do(ActKind.CAPTURE, 1000)
    story.model.switch(story.card, "UNFREEZE", {"userSuppliedId": "u"})
    story.number -= 1
    assert story.do(ActKind.CAPTURE, 1000) == [Verb.CAPTURE]


def test_a_card_that_expired_after_the_hold_is_still_captured(story):
    story.hold()
    story.card.principal.expires = datetime.now(UTC) - timedelta(days=1)
    assert story.do(ActKind.CAPTURE, 1000) == [Verb.CAPTURE]


# Statements


def test_a_statement_tells_what_we_did_oldest_first(story):
    story.hold()
    story.model.spend("V1ACT-100", 50)
    story.do(ActKind.RELEASE, 300, released=300)
    entries = list(story.mapper.statement(5, story.card.id))
    verbs = [(entry.verb, entry.amount, entry.key) for entry in entries]
    assert verbs == [(Verb.HOLD, 1000, "gb-0-1-1"), (Verb.CAPTURE, 1000, "gb-0-2-1"), (Verb.REFUND, 300, "gb-0-2-2")]
    assert [entry.receipt for entry in entries] == [done.receipt for done in story.transaction.done]
    assert entries[1].origin == Origin("gb-0", "r-1", ActKind.RELEASE, "gb-0-2", 300, 300, 0)


def test_a_statement_shows_who_else_ended_a_hold_of_ours(story):
    story.hold()
    reference = story.transaction.done[0].receipt.reference
    story.model.void(story.card, reference, {"userSuppliedId": "by-hand"})
    entries = list(story.mapper.statement(5, story.card.id))
    assert [(entry.verb, entry.key) for entry in entries] == [(Verb.HOLD, "gb-0-1-1"), (Verb.RELEASE, None)]


def test_a_long_statement_comes_in_pages(sandbox, story):
    for _ in range(205):
        story.model.spend("V1ACT-100", 1)
    story.hold()
    assert len(list(story.mapper.statement(5, story.card.id))) == 1
    assert sum("offset=" in request.path for request in sandbox.requests) == 3


def test_a_statement_may_begin_later(story):
    story.hold()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert list(story.mapper.statement(5, story.card.id, tomorrow)) == []


def test_a_statement_is_of_one_known_card(mapper):
    with pytest.raises(CardNotFound):
        list(mapper.statement(5, "no-such-card"))
    with pytest.raises(Unsupported):
        list(mapper.statement(5))


# Issuing


def test_what_a_gift_card_is_issued_with_comes_back(mapper):
    starts, ends = datetime(2026, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    new = NewCard("key-1", "Club", "Birthday ção", ANA, starts, ends, True, False, False, 700)
    issued = mapper.issue(new, soon())
    for card in (issued.card, mapper.get_card(issued.card.id, soon()), *mapper.find(Query(code=issued.code), soon())):
        assert (card.relation_name, card.caption, card.owner, card.balance) == ("Club", "Birthday ção", ANA.key, 700)
        assert (card.emission_date, card.expiring_date) == (starts, ends)
        assert (card.restricted_to_owner, card.multiple_redemptions, card.multiple_credits) == (True, False, False)
        assert issued.code not in repr(card)


def test_a_repeat_whose_options_changed_meanwhile_makes_no_second_card(sandbox, mapper):
    new = NewCard("key-1", customer=ANA)
    first = mapper.issue(new, soon())
    second = connect(sandbox, program_id=None).issue(new, soon())
    assert (second.card.id, second.code) == (first.card.id, first.code)


def test_a_lost_answer_to_issuing_is_made_good_by_the_repeat(sandbox, mapper):
    sandbox.faults.add("drop_after", method="POST", path="/v1/cards$")
    with pytest.raises(OutcomeUnknown):
        mapper.issue(NewCard("key-1"), soon())
    before = len(sandbox.app.extensions["backend"].cards)
    assert mapper.issue(NewCard("key-1"), soon()).code
    assert len(sandbox.app.extensions["backend"].cards) == before


@pytest.mark.parametrize("email", ["ana@example.com", "new@example.com"])
def test_an_account_card_is_issued_to_a_customer_and_found_again(sandbox, email):
    mapper = connect(sandbox, program_id=None)
    customer = Customer(email, email=email)
    issued = mapper.issue(NewCard("key-1", caption="Welcome", customer=customer, balance=250), soon())
    assert mapper.issue(NewCard("key-1", caption="Welcome", customer=customer, balance=250), soon()) == issued
    assert issued.code is None
    found = {card.id: card for card in mapper.find(Query(customer=customer), soon())}
    assert (found[issued.card.id].balance, found[issued.card.id].caption) == (250, "Welcome")


def test_a_contact_that_has_the_id_and_another_address_is_named(sandbox):
    mapper = connect(sandbox, program_id=None)
    backend = sandbox.app.extensions["backend"]
    body = {"userSuppliedId": "bob@example.com", "email": "robert@example.com"}
    backend.once("contact", "/v1/contacts", body, lambda: {"contact": backend.create_contact(body)})
    with pytest.raises(CardUnusable, match="409"):
        mapper.issue(NewCard("key-1", customer=Customer("bob@example.com", email="bob@example.com")), soon())


# The key


def test_a_ping_says_whether_money_is_real(mapper, capsys):
    mapper.ping(soon())
    assert "mode=TEST" in capsys.readouterr().out


def test_a_wrong_key_is_named(sandbox):
    with pytest.raises(BackendUnavailable, match="api_key"):
        connect(sandbox, api_key="wrong").ping(soon())
