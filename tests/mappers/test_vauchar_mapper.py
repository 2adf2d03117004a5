"""Whole acts against the Vauchar sandbox over real sockets: cards, holds, refunds, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from mappers.base import (
    ActKind,
    BackendUnavailable,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Holds,
    InsufficientFunds,
    NewCard,
    Query,
    Secret,
    Step,
    Unsupported,
    Verb,
)
from mappers.money import Currency
from mappers.sandbox import Sandbox, running
from mappers.vauchar import client as wire
from mappers.vauchar import sandbox as vauchar
from mappers.vauchar.mapper import Vauchar, VaucharOptions
from mappers.whole_capture import INSTEAD, NOTHING
from tests.mappers.vauchar_story import CODE, Story, soon


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running(vauchar.create_app()) as running_sandbox:
        yield running_sandbox


@pytest.fixture
def ledger(sandbox: Sandbox) -> Story:
    return Story(sandbox, Holds.LEDGER, CODE, "ledger")


@pytest.fixture
def upfront(sandbox: Sandbox) -> Story:
    return Story(sandbox, Holds.UPFRONT, CODE, "upfront")


# Cards


@pytest.mark.parametrize(
    ("code", "balance", "status"),
    [
        ("VAUCHAR-ACTIVE-250", 25000, CardStatus.ACTIVE),
        ("VAUCHAR-ACTIVE-100", 10000, CardStatus.ACTIVE),
        ("VAUCHAR-ACTIVE-10", 1000, CardStatus.ACTIVE),
        ("VAUCHAR-SIGNS/50+A=B.C%", 5000, CardStatus.ACTIVE),
        ("VAUCHAR-EMPTY-0", 0, CardStatus.ACTIVE),
        ("VAUCHAR-EXPIRED-50", 5000, CardStatus.EXPIRED),
        ("VAUCHAR-NOT-STARTED-50", 5000, CardStatus.NOT_STARTED),
        ("VAUCHAR-INACTIVE-50", 5000, CardStatus.INACTIVE),
        ("VAUCHAR-USD-75", 7500, CardStatus.WRONG_CURRENCY),
    ],
)
def test_every_seed_is_found_by_its_code_and_by_its_id(
    ledger: Story, code: str, balance: int, status: CardStatus
) -> None:
    (found,) = ledger.mapper.find(Query(code=code), soon())
    assert (found.balance, found.status) == (balance, status)
    assert ledger.mapper.get_card(found.id, soon()) == found


def test_unknown_codes_and_ids(ledger: Story) -> None:
    assert ledger.mapper.find(Query(code="NO-SUCH-CODE"), soon()) == []
    for card_id in ("gift-0", "..", "a/b", "validate"):
        with pytest.raises(CardNotFound):
            ledger.mapper.get_card(card_id, soon())


def test_wrong_credentials_fail_the_ping(sandbox: Sandbox) -> None:
    options = VaucharOptions("demo-merchant", Secret("wrong"), sandbox.url)
    with pytest.raises(BackendUnavailable, match="merchant_id and api_key"):
        Vauchar("demo", Currency.of("BRL"), Holds.LEDGER, options).ping(soon())


def test_right_credentials_pass_the_ping(ledger: Story) -> None:
    ledger.mapper.ping(soon())


def test_an_issued_card_can_be_found_and_its_key_makes_no_second_one(ledger: Story) -> None:
    new = NewCard("gb-new-card", balance=12345)
    issued = ledger.mapper.issue(new, soon())
    (found,) = ledger.mapper.find(Query(code=issued.code), soon())
    assert found.balance == 12345
    assert ledger.mapper.issue(new, soon()).card.id == found.id


# Holds in the ledger


def test_an_authorization_asks_nothing_of_vauchar(ledger: Story) -> None:
    assert ledger.debit(5000) == []


def test_a_settlement_looks_and_then_redeems(ledger: Story) -> None:
    done = ledger.capture(5000)
    assert [(step.verb, step.amount) for step in done] == [(Verb.LOOK, 0), (Verb.DEBIT, 5000)]
    assert done[0].receipt.balance == 25000
    assert ledger.balance == 20000


def test_releasing_what_is_only_reserved_needs_no_call(ledger: Story) -> None:
    ledger.capture(5000)
    assert ledger.reverse(3000, 0) == []


def test_a_refund_of_a_whole_settlement_deletes_its_redemption(ledger: Story) -> None:
    ledger.capture(5000)
    ledger.capture(2000)
    done = ledger.reverse(0, 5000)
    assert [step.verb for step in done] == [Verb.LOOK, Verb.REFUND]
    assert ledger.redeemed == [2000]
    assert ledger.balance == 23000


@pytest.mark.parametrize(("refunded", "left"), [(5000, []), (1999, [3001])], ids=str)
def test_what_others_gave_back_does_not_go_back_again(ledger: Story, refunded: int, left: list[int]) -> None:
    ledger.capture(5000)
    ledger.card.redemptions.clear()
    ledger.card.balance += 50
    done = ledger.reverse(0, refunded)
    assert done[-1].receipt.data[INSTEAD] == NOTHING
    assert ledger.redeemed == left
    assert ledger.balance == 25000 - sum(left)


def test_a_redemption_that_is_not_listed_yet_is_deleted_later(ledger: Story) -> None:
    ledger.capture(5000)
    listed = ledger.mapper._client.redemptions
    nothing = wire.Redemptions((), complete=True)
    ledger.mapper._client.redemptions = lambda *_, **__: nothing  # type: ignore[method-assign]
    with pytest.raises(BackendUnavailable):
        ledger.reverse(0, 5000)
    ledger.mapper._client.redemptions = listed  # type: ignore[method-assign]
    assert ledger.redeemed == [5000]


def test_a_redemption_that_nothing_shows_yet_is_deleted_nevertheless(ledger: Story) -> None:
    """The card, its list and the redemption are read from a replica as it was before: that is no sign of others."""
    client, before = ledger.mapper._client, ledger.mapper._client.card(ledger.card.id, soon())
    ledger.capture(5000)
    with pytest.MonkeyPatch.context() as late:
        late.setattr(client, "card", lambda *_, **__: before)
        late.setattr(client, "redemptions", lambda *_, **__: wire.Redemptions((), complete=True))
        late.setattr(client, "redemption", lambda *_: None)
        done = ledger.reverse(0, 5000)
    assert INSTEAD not in done[-1].receipt.data
    assert (ledger.redeemed, ledger.balance) == ([], 25000)


def test_a_part_is_given_back_by_redeeming_the_rest_again(ledger: Story) -> None:
    ledger.capture(5000)
    done = ledger.reverse(0, 1999)
    assert [step.verb for step in done] == [Verb.LOOK, Verb.DEBIT, Verb.LOOK, Verb.REFUND]
    assert ledger.redeemed == [3001]
    assert ledger.balance == 25000 - 3001


def test_refunds_in_parts_add_up_to_everything(ledger: Story) -> None:
    for amount in (5000, 2500, 700):
        ledger.capture(amount)
    for amount in (1, 3000, 4000, 1199):
        ledger.reverse(0, amount)
    assert ledger.redeemed == []
    assert ledger.balance == 25000


def test_adding_value_is_impossible(ledger: Story) -> None:
    with pytest.raises(Unsupported):
        ledger.act(ActKind.CREDIT, 100)


# Taken up front


def test_upfront_takes_at_the_authorization_and_nothing_at_the_settlement(upfront: Story) -> None:
    upfront.debit(5000)
    assert upfront.balance == 20000
    assert upfront.capture(5000) == []


def test_upfront_gives_back_what_is_voided_and_what_is_refunded(upfront: Story) -> None:
    upfront.debit(5000)
    upfront.reverse(1500, 500)
    assert upfront.redeemed == [3000]
    upfront.reverse(0, 3000)
    assert upfront.balance == 25000


# Refusals


def test_a_card_emptied_between_the_look_and_the_redemption_is_refused(ledger: Story) -> None:
    def drain(step: Step) -> None:
        if step.verb is Verb.DEBIT:
            ledger.backend.spend_elsewhere(CODE, Decimal(240))

    with pytest.raises(InsufficientFunds):
        ledger.capture(5000, before_step=drain)
    assert ledger.balance == 1000


def test_a_card_switched_off_in_between_is_unusable(ledger: Story) -> None:
    ledger.card.active_status = "0"
    with pytest.raises(CardUnusable, match="inactive"):
        ledger.capture(5000)


def test_all_of_a_card_can_be_taken(sandbox: Sandbox) -> None:
    story = Story(sandbox, Holds.LEDGER, "VAUCHAR-ACTIVE-10", "all")
    story.capture(1000)
    assert story.balance == 0
