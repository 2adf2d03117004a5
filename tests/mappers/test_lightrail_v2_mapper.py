"""Lightrail V2 over real sockets: what a shopper's money goes through, and what becomes of it on bad days."""

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
    Conflict,
    DoneStep,
    Holds,
    InsufficientFunds,
    NewCard,
    OutcomeUnknown,
    Query,
    Secret,
    Transaction,
    Verb,
)
from mappers.deadline import Deadline
from mappers.lightrail_v2.mapper import LightrailV2, LightrailV2Options
from mappers.lightrail_v2.sandbox import DEMO_OPTIONS, POINT_OF_SALE_KEY, SEEDS, create_app
from mappers.money import Currency
from mappers.sandbox import running

PAST = "2020-01-01T00:00:00.000Z"
BRL = Currency("BRL", 2)


@pytest.fixture
def sandbox():
    with running(create_app()) as sandbox:
        yield sandbox


def connect(sandbox, holds=Holds.NATIVE, **options) -> LightrailV2:
    demo = DEMO_OPTIONS(sandbox.url) | options
    return LightrailV2("acme", BRL, holds, LightrailV2Options(**demo | {"api_key": Secret(demo["api_key"])}))


@pytest.fixture
def mapper(sandbox) -> LightrailV2:
    return connect(sandbox)


class Story:
    """One transaction on one card, told as the ledger would: plan, run, write down what is done."""

    def __init__(self, sandbox, mapper, code="LIGHT-ACTIVE-100", amount=1000, *, credit=False):
        self.sandbox, self.mapper, self.code = sandbox, mapper, code
        self.model = sandbox.app.extensions["backend"]
        card = self.model.by_code(code)["id"]
        self.transaction = Transaction("gb-0", card, amount, mapper.holds, credit, hold_for=timedelta(days=30))
        self.number = 0

    @property
    def card(self):
        return self.model.by_code(self.code)

    @property
    def balance(self):
        return self.card["balance"]

    def steps(self, kind, amount, released=0, refunded=0):
        self.number += 1
        planned = self.mapper.plan(Act(kind, amount, released, refunded), self.transaction)
        return [replace(step, key=f"gb-0-{self.number}-{part}") for part, step in enumerate(planned, 1)]

    def step(self, kind, amount):
        (step,) = self.steps(kind, amount)
        return step

    def do(self, kind, amount):
        taken = self.transaction
        held = taken.amount - taken.captured - taken.released
        released = min(amount, held) if kind is ActKind.RELEASE else 0
        refunded = amount - released if kind is ActKind.RELEASE else 0
        for step in self.steps(kind, amount, released, refunded):
            self.note(step, self.mapper.run(step, soon()))
        taken = self.transaction
        self.transaction = replace(
            taken,
            captured=taken.captured + (amount if kind is ActKind.CAPTURE else 0),
            released=taken.released + released,
            refunded=taken.refunded + refunded,
        )
        return self

    def note(self, step, receipt):
        done = DoneStep(step.verb, step.amount, receipt, step.key)
        self.transaction = replace(self.transaction, done=(*self.transaction.done, done))

    def hold(self):
        return self.do(ActKind.CREDIT if self.transaction.credit else ActKind.DEBIT, self.transaction.amount)

    def capture(self, amount):
        return self.do(ActKind.CAPTURE, amount)

    def release(self, amount):
        return self.do(ActKind.RELEASE, amount)

    def verbs(self):
        return [done.verb.value for done in self.transaction.done]

    def posts(self):
        return [request.path.rpartition("/")[2] for request in self.sandbox.requests if request.method == "POST"]


def soon() -> Deadline:
    return Deadline.after(10)


@pytest.fixture
def story(sandbox, mapper) -> Story:
    return Story(sandbox, mapper)


# A hold


def test_a_hold_keeps_the_money_at_once(story):
    story.hold()
    assert story.balance == 9000
    assert story.transaction.done[0].receipt.reference == "gb-0-1-1"
    assert story.transaction.done[0].receipt.balance == 9000


def test_a_hold_lasts_as_long_as_the_policy_says(story):
    story.hold()
    entry = story.model.transactions["gb-0-1-1"]
    assert timedelta(days=30) - timedelta(minutes=1) < entry.void_after - datetime.now(UTC) <= timedelta(days=30)


@pytest.mark.parametrize("amount", [1000, 10000], ids=["some left", "drained"])
def test_a_repeated_hold_holds_once(story, amount):
    step = story.step(ActKind.DEBIT, amount)
    first = story.mapper.run(step, soon())
    assert story.mapper.run(step, soon()) == first
    assert story.balance == 10000 - amount


@pytest.mark.parametrize(
    "change", [{"frozen": True}, {"canceled": True}, {"active": False}, {"endDate": PAST}], ids=lambda change: [*change]
)
def test_a_repeated_hold_is_found_whatever_the_card_became(story, change):
    step = story.step(ActKind.DEBIT, 1000)
    first = story.mapper.run(step, soon())
    story.card.update(change)
    assert story.mapper.run(step, soon()) == first


def test_more_than_the_card_holds_is_refused(story):
    with pytest.raises(InsufficientFunds):
        story.mapper.run(story.step(ActKind.DEBIT, 10001), soon())
    assert story.balance == 10000


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("LIGHT-ZERO", InsufficientFunds),
        ("LIGHT-EXPIRED", CardUnusable),
        ("LIGHT-FROZEN", CardUnusable),
        ("LIGHT-CANCELED", CardUnusable),
        ("LIGHT-NOT-STARTED", CardUnusable),
        ("LIGHT-INACTIVE", CardUnusable),
        ("LIGHT-DOLLARS", CardUnusable),
        ("LIGHT-RULE", CardUnusable),
    ],
)
def test_a_card_that_cannot_pay_is_refused(sandbox, mapper, code, error):
    story = Story(sandbox, mapper, code)
    step = story.step(ActKind.DEBIT, 1000)
    with pytest.raises(error):
        mapper.run(step, soon())
    assert mapper.ask(step, soon()) is None


def test_a_card_nobody_knows_is_refused(story):
    with pytest.raises(CardNotFound):
        story.mapper.run(replace(story.step(ActKind.DEBIT, 1000), card_id="nope"), soon())


@pytest.mark.parametrize("difference", [{"amount": 999}, {"card_id": "value-001"}, {"verb": Verb.CREDIT}])
def test_another_request_under_the_same_key_is_a_conflict(story, difference):
    step = story.step(ActKind.DEBIT, 1000)
    story.mapper.run(step, soon())
    with pytest.raises(Conflict):
        story.mapper.run(replace(step, **difference), soon())
    with pytest.raises(Conflict):
        story.mapper.ask(replace(step, **difference), soon())


# Settling and cancelling


def test_the_first_capture_takes_the_whole_hold_and_later_ones_call_nobody(story):
    story.hold().capture(300).capture(200)
    assert (story.verbs(), story.balance) == (["hold", "capture"], 9000)
    assert story.transaction.done[-1].amount == 1000


def test_what_is_released_after_a_capture_goes_back_as_a_credit(story):
    story.hold().capture(300).release(200).release(500)
    assert (story.verbs(), story.balance) == (["hold", "capture", "refund", "refund"], 9700)
    assert story.posts() == ["debit", "capture", "credit", "credit"]


def test_a_release_of_what_is_held_and_taken_is_one_credit(story):
    story.hold().capture(300).release(100).release(700)
    assert story.posts() == ["debit", "capture", "credit", "credit"]
    assert story.balance == 9800


def test_a_hold_given_back_whole_is_voided(story):
    story.hold().release(1000)
    assert (story.posts(), story.balance) == (["debit", "void"], 10000)


def test_a_part_released_before_any_capture_is_spendable_at_once(story):
    story.hold().release(400)
    assert (story.posts(), story.balance) == (["debit", "capture", "credit"], 9400)
    story.capture(600)
    assert story.balance == 9400


def test_the_rest_of_a_partly_released_hold_goes_back_as_a_credit(story):
    story.hold().release(400).release(600)
    assert (story.posts()[-1], story.balance) == ("credit", 10000)


@pytest.mark.parametrize("change", [{"canceled": True}, {"endDate": PAST}], ids=lambda change: [*change])
def test_all_that_was_captured_goes_back_even_to_a_card_that_is_over(story, change):
    story.hold().capture(1000)
    story.card.update(change)
    story.release(1000)
    assert (story.posts()[-1], story.balance) == ("reverse", 10000)


def test_a_part_does_not_go_back_to_a_card_that_is_over(story):
    story.hold().capture(1000)
    story.card.update(endDate=PAST)
    with pytest.raises(CardUnusable):
        story.release(400)
    assert story.balance == 9000


def test_a_capture_left_by_a_refused_partial_release_is_remembered(story):
    story.hold()
    story.card.update(endDate=PAST)
    with pytest.raises(CardUnusable):
        story.release(400)
    assert story.verbs() == ["hold", "capture"]
    story.release(1000)
    assert (story.posts()[-1], story.balance) == ("reverse", 10000)


def test_a_frozen_card_is_not_captured_but_is_released(story):
    story.hold()
    story.card["frozen"] = True
    with pytest.raises(CardUnusable):
        story.capture(1000)
    story.release(1000)
    assert story.balance == 10000


def test_releasing_on_an_inactive_card_is_unknown_until_it_is_active_again(story):
    story.hold()
    story.card["active"] = False
    step = story.step(ActKind.RELEASE, 1000)
    with pytest.raises(OutcomeUnknown):
        story.mapper.run(step, soon())
    assert story.mapper.ask(step, soon()) is None
    story.card["active"] = True
    story.mapper.run(step, soon())
    assert story.balance == 10000


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ([], ActKind.CAPTURE),
        ([], ActKind.RELEASE),
        ([(ActKind.CAPTURE, 1000)], ActKind.RELEASE),
        ([(ActKind.CAPTURE, 500), (ActKind.RELEASE, 100)], ActKind.RELEASE),
    ],
    ids=["capture", "void", "reverse", "credit"],
)
def test_a_repeat_does_nothing_twice(story, before, kind):
    story.hold()
    for earlier, amount in before:
        story.do(earlier, amount)
    step = story.step(kind, 900 if len(before) == 2 else 1000)
    first = story.mapper.run(step, soon())
    after = story.balance
    assert story.mapper.run(step, soon()) == first
    assert story.mapper.ask(step, soon()) == first
    assert story.balance == after


# Lost answers


def plays(story, name):
    """Return the step of that name, with everything before it done."""
    if name == "hold":
        return story.step(ActKind.DEBIT, 1000)
    story.hold()
    if name in ("reverse", "credit"):
        story.capture(1000)
    if name == "credit":
        return story.step(ActKind.RELEASE, 400)
    return story.step(ActKind.CAPTURE if name == "capture" else ActKind.RELEASE, 1000)


@pytest.mark.parametrize("name", ["hold", "capture", "void", "reverse", "credit"])
@pytest.mark.parametrize("fault", ["drop_after", "status_after", "junk"])
def test_a_lost_success_is_found_by_asking(story, name, fault):
    step = plays(story, name)
    story.sandbox.faults.add(fault, method="POST")
    with pytest.raises(OutcomeUnknown) as caught:
        story.mapper.run(step, soon())
    assert caught.value.answered is (fault != "drop_after")
    found = story.mapper.ask(step, soon())
    assert found == story.mapper.run(step, soon())
    assert found.reference == step.key


@pytest.mark.parametrize("name", ["hold", "capture", "void", "reverse", "credit"])
def test_what_was_never_done_is_not_found_and_can_be_done(story, name):
    step = plays(story, name)
    before = story.balance
    story.sandbox.faults.add("drop_before", method="POST")
    with pytest.raises(OutcomeUnknown):
        story.mapper.run(step, soon())
    assert (story.mapper.ask(step, soon()), story.balance) == (None, before)
    story.mapper.run(step, soon())
    assert story.mapper.ask(step, soon()) is not None


def test_a_read_that_fails_while_a_409_is_looked_into_leaves_the_outcome_unknown(story):
    step = story.step(ActKind.DEBIT, 10000)
    story.mapper.run(step, soon())
    story.sandbox.faults.add("status", method="GET", status=503, times=5)
    with pytest.raises(OutcomeUnknown):
        story.mapper.run(step, soon())


def test_a_repeat_that_reads_cannot_show_yet_is_unknown(story):
    step = story.step(ActKind.DEBIT, 1000)
    story.mapper.run(step, soon())
    story.model.read_lag_seconds = 60
    with pytest.raises(OutcomeUnknown):
        story.mapper.run(step, soon())
    story.model.advance(timedelta(minutes=2))
    assert story.mapper.run(step, soon()).reference == step.key


def test_captures_releases_and_refunds_are_tried_however_often_they_failed(story):
    story.hold()
    story.sandbox.faults.add("status", method="POST", status=500, times=30)
    steps = [story.step(ActKind.CAPTURE, 1000), story.step(ActKind.RELEASE, 1000)]
    steps.append(replace(steps[0], verb=Verb.REFUND, reference=""))
    for step in steps * 10:
        with pytest.raises(OutcomeUnknown):
            story.mapper.run(step, soon())


def test_asking_a_dead_backend_says_so(sandbox, mapper):
    story = Story(sandbox, mapper)
    sandbox.faults.add("status", status=500, times=9)
    with pytest.raises(BackendUnavailable):
        mapper.ask(story.step(ActKind.DEBIT, 1000), soon())


# What others do to a hold


def expire(story):
    story.hold()
    story.model.advance(timedelta(days=30, seconds=1))


def test_a_hold_about_to_be_voided_cannot_be_captured(story):
    expire(story)
    with pytest.raises(CardUnusable, match="expired"):
        story.capture(1000)


def test_a_hold_that_lightrail_voided_counts_as_released(story):
    expire(story)
    story.model.advance(timedelta(minutes=10))
    story.release(1000)
    assert story.transaction.done[-1].receipt.reference.startswith("automatic-void-")
    assert story.balance == 10000


def test_a_hold_that_lightrail_voided_cannot_be_captured(story):
    expire(story)
    story.model.advance(timedelta(minutes=10))
    step = story.step(ActKind.CAPTURE, 1000)
    with pytest.raises(CardUnusable, match="expired"):
        story.mapper.run(step, soon())
    assert story.mapper.ask(step, soon()) is None


def test_a_capture_under_another_key_counts_as_captured(story):
    story.hold()
    story.model.capture("gb-0-1-1", {"id": "by-hand"})
    story.capture(1000)
    assert story.transaction.done[-1].receipt.reference == "by-hand"
    story.release(1000)
    assert story.balance == 10000


def test_a_hold_that_was_captured_elsewhere_cannot_be_released(story):
    story.hold()
    story.model.capture("gb-0-1-1", {"id": "by-hand"})
    with pytest.raises(Conflict):
        story.release(1000)


def test_a_capture_that_was_reversed_elsewhere_is_not_given_back_twice(story):
    story.hold().capture(1000)
    story.model.reverse("gb-0-2-1", {"id": "by-hand"})
    story.release(1000)
    assert (story.transaction.done[-1].receipt.reference, story.balance) == ("by-hand", 10000)


# Other policies and operations


def test_upfront_takes_the_money_at_once_and_gives_it_back(sandbox):
    story = Story(sandbox, connect(sandbox, Holds.UPFRONT)).hold().capture(300).release(200).release(500)
    assert (story.posts(), story.balance) == (["debit", "credit", "credit"], 9700)


def test_upfront_money_given_back_whole_is_reversed(sandbox):
    story = Story(sandbox, connect(sandbox, Holds.UPFRONT)).hold()
    story.card.update(endDate=PAST)
    story.release(1000)
    assert (story.posts(), story.balance) == (["debit", "reverse"], 10000)


def test_a_credit_adds_at_once_and_its_release_takes_back(sandbox, mapper):
    story = Story(sandbox, mapper, credit=True).hold().capture(1000)
    assert story.balance == 11000
    story.release(400).release(600)
    assert (story.posts(), story.balance) == (["credit", "debit", "debit"], 10000)


def test_a_credit_that_was_spent_cannot_be_taken_back(sandbox, mapper):
    story = Story(sandbox, mapper, credit=True).hold()
    story.model.spend(story.code, 10500)
    with pytest.raises(InsufficientFunds):
        story.release(1000)


# Cards


def find(mapper, code):
    return [(card.id, card.balance, card.status) for card in mapper.find(Query(code=code), soon())]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("LIGHT-ACTIVE-250", CardStatus.ACTIVE),
        ("LIGHT-ZERO", CardStatus.ACTIVE),
        ("LIGHT-EXPIRED", CardStatus.EXPIRED),
        ("LIGHT-FROZEN", CardStatus.FROZEN),
        ("LIGHT-CANCELED", CardStatus.CANCELED),
        ("LIGHT-NOT-STARTED", CardStatus.NOT_STARTED),
        ("LIGHT-INACTIVE", CardStatus.INACTIVE),
        ("LIGHT-DOLLARS", CardStatus.WRONG_CURRENCY),
        ("LIGHT-GENERIC", CardStatus.UNSUPPORTED),
        ("LIGHT-RULE", CardStatus.UNSUPPORTED),
    ],
)
def test_a_seeded_card_is_found_in_its_status(mapper, code, status):
    assert [found[2] for found in find(mapper, code)] == [status]


def test_every_seed_is_found(mapper):
    assert all(len(find(mapper, code)) == 1 for code in SEEDS)


def test_codes_are_exact_but_for_the_space_around_them(mapper):
    assert find(mapper, "  LIGHT-ACTIVE-100 ") == [("value-002", 10000, CardStatus.ACTIVE)]
    assert find(mapper, "light-active-100") == find(mapper, "LIGHT-ACTIVE") == find(mapper, "none") == []


@pytest.mark.parametrize("code", ["A/B C+D=.%#é&?", ("/ + = . % # é& " * 18)[:255].strip() + "x", "..", "."])
def test_any_code_can_be_looked_up(sandbox, mapper, code):
    sandbox.app.extensions["backend"].create_value({"id": "odd", "currency": "BRL", "code": code, "balance": 5})
    assert find(mapper, code) == [("odd", 5, CardStatus.ACTIVE)]


def test_a_value_whose_id_tells_its_code_is_not_used(sandbox, mapper):
    body = {"id": "gift/SECRET-1", "currency": "BRL", "code": "secret-1", "balance": 5}
    sandbox.app.extensions["backend"].create_value(body)
    assert find(mapper, "secret-1") == [("gift/SECRET-1", 5, CardStatus.UNSUPPORTED)]


def test_a_customer_without_a_code_has_no_cards(mapper):
    assert mapper.find(Query(), soon()) == []


def test_a_card_is_read_by_its_id_whatever_it_holds(sandbox, mapper):
    sandbox.app.extensions["backend"].create_value({"id": "a/b #%2F", "currency": "BRL", "code": "X-1", "balance": 5})
    assert mapper.get_card("a/b #%2F", soon()).balance == 5


def test_an_unknown_card_is_not_found(mapper):
    with pytest.raises(CardNotFound):
        mapper.get_card("nope", soon())


# Issuing

NEW = NewCard("key-1", "loyalty", "Birthday", emission_date=datetime(2026, 1, 2, tzinfo=UTC), balance=2500)


def test_an_issued_card_can_be_found_and_spent(sandbox, mapper):
    issued = mapper.issue(NEW, soon())
    (card,) = mapper.find(Query(code=issued.code), soon())
    assert (card.id, card.balance, card.status) == (issued.card.id, 2500, CardStatus.ACTIVE)
    assert (card.caption, card.relation_name, card.emission_date) == ("Birthday", "loyalty", NEW.emission_date)
    assert Story(sandbox, mapper, issued.code).hold().balance == 1500


def test_issuing_again_under_the_key_shows_the_same_card(mapper):
    first = mapper.issue(NEW, soon())
    assert mapper.issue(NEW, soon()) == first
    assert mapper.issue(replace(NEW, key="key-2"), soon()).code != first.code


def test_an_issued_card_whose_answer_was_lost_is_found_by_issuing_again(sandbox, mapper):
    sandbox.faults.add("drop_after", method="POST")
    with pytest.raises(OutcomeUnknown):
        mapper.issue(NEW, soon())
    assert mapper.issue(NEW, soon()).card.balance == 2500


def test_a_program_may_forbid_a_card(sandbox):
    mapper = connect(sandbox, program_id="gift-cards-brl")
    with pytest.raises(CardUnusable, match="minInitialBalance"):
        mapper.issue(replace(NEW, balance=1), soon())
    assert mapper.issue(NEW, soon()).card.currency == "BRL"


def test_a_program_that_does_not_exist_is_named(sandbox):
    with pytest.raises(BackendUnavailable, match="program_id"):
        connect(sandbox, program_id="nope").issue(NEW, soon())


def test_a_code_is_in_no_repr(mapper):
    issued = mapper.issue(NEW, soon())
    assert issued.code not in repr(issued)


# The connection


def test_ping_is_content_with_the_sandbox(mapper):
    mapper.ping(soon())


@pytest.mark.parametrize("key", ["wrong", POINT_OF_SALE_KEY])
def test_ping_and_find_say_that_the_key_is_refused(sandbox, key):
    mapper = connect(sandbox, api_key=key)
    with pytest.raises(BackendUnavailable, match="api_key"):
        mapper.ping(soon())
    with pytest.raises(BackendUnavailable, match="api_key"):
        mapper.find(Query(code="LIGHT-ACTIVE-100"), soon())


def test_a_wrong_base_url_is_named(sandbox):
    mapper = connect(sandbox, base_url=f"{sandbox.url}/v3")
    with pytest.raises(BackendUnavailable, match="base_url"):
        mapper.get_card("value-001", soon())
    with pytest.raises(BackendUnavailable, match="base_url"):
        mapper.run(Story(sandbox, mapper).step(ActKind.DEBIT, 1000), soon())


def test_no_code_is_sent_with_a_payment(story):
    story.hold().capture(500).release(100)
    assert story.code not in repr([request.body for request in story.sandbox.requests])
