"""A person decides about what no backend can tell: once, with what the backend bears out, above an amount in two."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import expect
from werkzeug.test import TestResponse

from app.admin import activity
from app.admin.people import users
from app.admin.people.users import Role
from app.admin.transactions import by_hand
from app.admin.transactions.views import Event, Story
from app.admin.transactions.views import show as story_of
from app.ledger.errors import Unresolved
from app.ledger.transaction import Decision, Transaction
from app.parts import Parts
from mappers.base import Receipt, Step, Undecidable
from mappers.deadline import Deadline
from tests.stored import rewrite

from .browser import LOOKS, Browsing
from .conftest import PASSWORD, Console, Visitor
from .parked import park, spent
from .test_transaction import forget_tries


@pytest.fixture
def order(console: Console) -> str:
    return park(console.installation)


@pytest.fixture
def operator(console: Console) -> Visitor:
    return console.user(Role.OPERATOR)


def story(console: Console, order: str) -> Story:
    return story_of(console.installation.parts, console.installation.record(order))


def decided(console: Console, order: str) -> list[Event]:
    return [event for event in story(console, order).events if event.what == "decided"]


def promise(console: Console, order: str) -> None:
    """Let VTEX have been told that the settlement is done."""
    console.installation.parts.connection.call(lambda client: rewrite(client, order, **{"a1.promised": "1"}))


def answer(visitor: Visitor, order: str, found: str, reference: str = "", **form: Any) -> TestResponse:
    """Send the form of the page as it is filled in, confirmed."""
    sent = {"act": "1", "step": "2", "found": found, "reference": reference, "reason": "I looked", "confirmed": "yes"}
    return visitor.post(f"/transactions/{order}/decide/answer", **sent | form)


def said(visitor: Visitor, order: str) -> str:
    """What the page that comes after says of it."""
    page = visitor.get(f"/transactions/{order}").text
    return " ".join(re.findall(r'<p class="flash[^>]*>([^<]*)', page))


def test_what_was_sent_and_seen_is_shown_with_what_each_answer_does(
    console: Console, operator: Visitor, order: str
) -> None:
    page = operator.get(f"/transactions/{order}/decide").text
    act = story(console, order).acts[1]
    facts = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page))
    assert (facts["Amount"], facts["To do at the backend"], facts["Step"]) == (
        "R$60.00",
        "take from the card",
        "2 of 2",
    )
    assert facts["Key it was sent under"] == f"{act.oid}-2"
    assert (facts["Balance before"], facts["Balance at the last look"]) == ("R$100.00", "R$40.00")
    assert (facts["The list was complete"], facts["candidates"]) == ("no", "R-1 R-2")
    assert "the balance fits nothing" in page
    assert "Vauchar lists the redemptions of a gift card, each with its id." in page
    refused = "The settlement is refused: R$60.00 were not taken, and stay reserved."
    again = f"{refused} It can be asked for again, by VTEX or by hand."
    given_up = f"{again} Here this is the same as the answer above."
    settled = "The order is settled: R$60.00 were taken from the card. Nothing more is taken. Nothing stays reserved."
    assert re.findall(r'<p id="effect-\d">([^<]*)', page) == [settled, again, given_up]


def test_what_was_promised_to_vtex_is_sent_again_unless_it_is_given_up(console: Console, operator: Visitor) -> None:
    order = park(console.installation)
    promise(console, order)
    page = operator.get(f"/transactions/{order}/decide").text
    _happened, again, given_up = re.findall(r'<p id="effect-\d">([^<]*)', page)
    assert again == (
        "It is sent to the backend once more, now: R$60.00 move, if the backend agrees. "
        "VTEX was told already that it is done."
    )
    assert given_up.endswith("VTEX was told that it is done: tell the store that it is not.")
    answer(operator, order, "did not happen")
    one = story(console, order).transaction
    assert (one.settled, one.unresolved) == (Decimal("60.00"), None)


def test_what_happened_is_settled(console: Console, operator: Visitor, order: str) -> None:
    redemption = spent(console.installation)
    confirming = answer(operator, order, "happened", redemption, confirmed="")
    assert (confirming.status_code, "The order is settled: R$60.00 were taken" in confirming.text) == (200, True)
    assert decided(console, order) == []
    assert answer(operator, order, "happened", redemption).status_code == 303
    assert said(operator, order) == "Decided: it is done."
    after = story(console, order)
    assert (after.transaction.settled, after.transaction.unresolved) == (Decimal("60.00"), None)
    assert after.acts[1].references == (redemption,)
    [event] = decided(console, order)
    assert (event.by, event.detail) == ("operator", f"happened {redemption}")
    [entry] = activity.newest(console.installation.parts, 9)
    assert (entry.who, entry.what, entry.about) == ("operator", "decide", order)
    assert entry.details == {
        "amount": "60.00 BRL",
        "decision": "happened",
        "reference": redemption,
        "reason": "I looked",
        "outcome": "done",
    }


@pytest.mark.parametrize("found", ["did not happen", "give up"])
def test_what_did_not_happen_is_refused_and_stays_reserved(
    console: Console, operator: Visitor, order: str, found: str
) -> None:
    assert answer(operator, order, found).status_code == 303
    assert said(operator, order) == "Decided: it is refused."
    after = story(console, order)
    assert (after.transaction.settled, after.transaction.reserved) == (Decimal("0.00"), Decimal("60.00"))
    assert after.acts[1].state == "refused"


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"found": ""}, "Say what you found at the backend."),
        ({"found": "happened", "reference": ""}, "Paste the backend&#39;s own id"),
        ({"found": "happened", "reference": "of-nothing"}, "The backend has nothing like this under this reference."),
        ({"found": "did not happen", "reason": " "}, "Say what you saw"),
    ],
)
def test_a_form_that_is_wrong_comes_back_and_decides_nothing(
    console: Console, operator: Visitor, order: str, form: dict[str, str], says: str
) -> None:
    for confirmed in ("", "yes"):
        page = answer(operator, order, **{"found": "", **form}, confirmed=confirmed)
        assert (page.status_code, says in page.text) == (422, True), page.text
    assert console.installation.parts.index.parked() == [order]


def test_a_redemption_of_another_amount_is_refused(console: Console, operator: Visitor, order: str) -> None:
    page = answer(operator, order, "happened", spent(console.installation, "90.00"))
    assert (page.status_code, "under this reference" in page.text) == (422, True)
    assert console.installation.parts.index.parked() == [order]


@pytest.mark.parametrize("form", [{"act": "x"}, {"found": "perhaps"}])
def test_a_form_that_no_page_has_is_refused(operator: Visitor, order: str, form: dict[str, str]) -> None:
    assert answer(operator, order, **{"found": "happened", **form}).status_code == 400


def test_of_two_tabs_the_second_is_told_what_is_true_now(console: Console, operator: Visitor, order: str) -> None:
    ana = console.user(Role.OPERATOR, "ana")
    assert answer(ana, order, "did not happen").status_code == 303
    late = answer(operator, order, "happened", spent(console.installation))
    assert late.headers["Location"] == f"/-/console/transactions/{order}"
    assert said(operator, order) == (
        "Nothing was done: ana decided this meanwhile (did not happen). This is how it stands now."
    )
    assert [event.by for event in decided(console, order)] == ["ana"]
    assert [entry.who for entry in activity.newest(console.installation.parts, 9)] == ["ana"]


def test_who_is_overtaken_in_the_last_moment_is_told_so(
    console: Console, operator: Visitor, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the word somebody at the command line decides."""
    parts, decide = console.installation.parts, by_hand.decide

    def overtaken(parts: Parts, record: Transaction, decision: Decision, **told: str) -> Transaction:
        decide(parts, record, Decision("eva", happened=False, act=1, step=2))
        return decide(parts, record, decision, **told)

    monkeypatch.setattr(by_hand, "decide", overtaken)
    answer(operator, order, "give up")
    assert said(operator, order).startswith("Nothing was done: eva decided this meanwhile")
    assert [(entry.who, entry.what) for entry in activity.newest(parts, 9)] == [("eva", "decide")]


def test_a_step_that_is_not_open_is_not_decided(console: Console, operator: Visitor, order: str) -> None:
    late = answer(operator, order, "did not happen", step="1")
    assert late.headers["Location"] == f"/-/console/transactions/{order}/decide"
    assert "this does not wait for a decision any more" in operator.get(f"/transactions/{order}/decide").text
    assert decided(console, order) == []


def test_somebody_who_is_at_it_right_now_is_told_of(
    console: Console, operator: Visitor, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(*_arguments: object, **_told: str) -> None:
        raise Unresolved("another attempt is under way")

    monkeypatch.setattr(by_hand, "decide", held)
    answer(operator, order, "did not happen")
    assert "somebody is at it right now" in operator.get(f"/transactions/{order}/decide").text
    assert activity.newest(console.installation.parts, 9) == []


def test_a_decision_that_cannot_be_carried_out_yet_is_on_record(
    console: Console, operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word is taken, what follows from it is sent, and the backend cannot tell of it either."""
    order = park(console.installation)
    promise(console, order)
    provider = console.installation.parts.registry.get("vouch")
    assert provider is not None

    def cannot_tell(_step: Step, _deadline: Deadline) -> Receipt:
        raise Undecidable("nothing fits")

    monkeypatch.setattr(provider.mapper, "run", cannot_tell)
    monkeypatch.setattr(provider.mapper, "ask", cannot_tell)
    answer(operator, order, "did not happen")
    assert said(operator, order) == "Decided, and the backend still cannot tell of it: look again."
    assert [entry.what for entry in activity.newest(console.installation.parts, 9)] == ["decide"]


def test_a_large_amount_needs_the_password_again(console: Console, operator: Visitor, order: str) -> None:
    parts = console.installation.parts
    object.__setattr__(parts.settings, "console_password_above", 59)
    users.change_password(parts, "operator", PASSWORD)
    operator = console.user(Role.OPERATOR)
    assert 'type="password"' in answer(operator, order, "did not happen", confirmed="").text
    assert answer(operator, order, "did not happen", password="not it").status_code == 403
    assert decided(console, order) == []
    forget_tries(console)
    assert answer(operator, order, "did not happen", password=PASSWORD).status_code == 303
    assert len(decided(console, order)) == 1


def test_a_viewer_sees_what_was_seen_and_decides_nothing(console: Console, order: str) -> None:
    viewer = console.user(Role.VIEWER)
    page = viewer.get(f"/transactions/{order}/decide").text
    assert ("the balance fits nothing" in page, "The order is settled:" in page) == (True, True)
    assert "<form" not in page.split("<main", 1)[1]
    for path in ("decide/answer", "decide/proposal"):
        assert viewer.post(f"/transactions/{order}/{path}", act="1", step="2", found="give up").status_code == 403
    assert console.installation.parts.index.parked() == [order]


def test_what_does_not_wait_leads_to_the_transaction(console: Console, operator: Visitor) -> None:
    order = console.installation.pay("60.00")
    asked = operator.get(f"/transactions/{order}/decide")
    assert asked.headers["Location"] == f"/-/console/transactions/{order}"
    assert said(operator, order) == "Nothing of this order waits for a decision."


# Two persons


@pytest.fixture
def ana(console: Console) -> Visitor:
    return console.user(Role.OPERATOR, "ana")


@pytest.fixture
def eva(console: Console) -> Visitor:
    return console.user(Role.OPERATOR, "eva")


@pytest.fixture
def _two(console: Console) -> None:
    object.__setattr__(console.installation.parts.settings, "console_two_people_above", 59)


def about_the_proposal(visitor: Visitor, order: str, **form: str) -> TestResponse:
    """Send a form of the page about what is proposed, as it is shown now."""
    page = visitor.get(f"/transactions/{order}/decide").text
    found = re.search(r'name="proposal" value="([^"]+)"', page)
    sent = {"act": "1", "step": "2", "proposal": found[1] if found else ""}
    return visitor.post(f"/transactions/{order}/decide/proposal", **sent | form)


@pytest.mark.usefixtures("_two")
def test_above_an_amount_a_second_person_confirms_and_both_are_named(
    console: Console, ana: Visitor, eva: Visitor, order: str
) -> None:
    redemption = spent(console.installation)
    answer(ana, order, "happened", redemption)
    waits = ana.get(f"/transactions/{order}/decide").text
    assert "It is proposed. Nothing is done until another person confirms it." in waits
    assert (decided(console, order), console.installation.parts.index.parked()) == ([], [order])
    shown = eva.get(f"/transactions/{order}/decide").text
    assert re.search(r"ana proposes:\s+<strong>It happened</strong>", shown)
    assert ("I looked" in shown, redemption in shown) == (True, True)
    assert about_the_proposal(eva, order).status_code == 303
    assert said(eva, order) == "Decided: it is done."
    assert story(console, order).transaction.settled == Decimal("60.00")
    assert [event.by for event in decided(console, order)] == ["ana, eva"]
    assert [(entry.who, entry.what) for entry in activity.newest(console.installation.parts, 9)] == [
        ("ana, eva", "decide"),
        ("ana", "propose"),
    ]


@pytest.mark.usefixtures("_two")
def test_nobody_confirms_what_they_have_proposed(console: Console, ana: Visitor, order: str) -> None:
    answer(ana, order, "did not happen")
    assert "Confirm it" not in ana.get(f"/transactions/{order}/decide").text
    about_the_proposal(ana, order)
    assert "another person has to confirm" in ana.get(f"/transactions/{order}/decide").text
    assert decided(console, order) == []
    assert about_the_proposal(console.user(Role.OPERATOR, "eva"), order).status_code == 303
    assert len(decided(console, order)) == 1


@pytest.mark.usefixtures("_two")
def test_a_proposal_is_withdrawn_and_another_made(console: Console, ana: Visitor, eva: Visitor, order: str) -> None:
    answer(ana, order, "give up")
    answer(eva, order, "did not happen")
    assert "somebody has proposed an answer meanwhile" in eva.get(f"/transactions/{order}/decide").text
    about_the_proposal(eva, order, withdraw="yes")
    assert "The proposal is withdrawn: nothing was decided." in eva.get(f"/transactions/{order}/decide").text
    answer(eva, order, "did not happen")
    about_the_proposal(ana, order)
    assert [(event.by, event.detail) for event in decided(console, order)] == [("eva, ana", "did not happen")]
    what = [entry.what for entry in activity.newest(console.installation.parts, 9)]
    assert what == ["decide", "propose", "withdraw", "propose"]


@pytest.mark.usefixtures("_two")
def test_a_proposal_that_is_not_the_one_on_the_page_is_not_confirmed(
    console: Console, ana: Visitor, eva: Visitor, order: str
) -> None:
    answer(ana, order, "give up")
    about_the_proposal(eva, order, proposal="of yesterday")
    assert "this proposal does not wait any more" in eva.get(f"/transactions/{order}/decide").text
    assert decided(console, order) == []


@pytest.mark.usefixtures("_two")
def test_of_two_who_confirm_at_once_one_decides(
    console: Console, ana: Visitor, eva: Visitor, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at a proposal and its end, ana withdraws it."""
    answer(ana, order, "give up")
    check = by_hand.check

    def withdrawn(*arguments: Any) -> None:
        monkeypatch.undo()
        about_the_proposal(ana, order, withdraw="yes")
        check(*arguments)

    monkeypatch.setattr(by_hand, "check", withdrawn)
    about_the_proposal(eva, order)
    assert "this proposal does not wait any more" in eva.get(f"/transactions/{order}/decide").text
    assert decided(console, order) == []


@pytest.mark.usefixtures("_two")
def test_a_wrong_reference_is_not_proposed(ana: Visitor, order: str) -> None:
    assert answer(ana, order, "happened", "of-nothing").status_code == 422
    assert "What did you find?" in ana.get(f"/transactions/{order}/decide").text


def test_a_smaller_amount_is_decided_by_one(console: Console, operator: Visitor, order: str) -> None:
    object.__setattr__(console.installation.parts.settings, "console_two_people_above", 60)
    answer(operator, order, "did not happen")
    assert [event.by for event in decided(console, order)] == ["operator"]


@pytest.mark.usefixtures("_two")
def test_what_waits_for_a_second_person_is_told_in_the_list(console: Console, ana: Visitor, order: str) -> None:
    answer(ana, order, "give up")
    page = console.user(Role.OPERATOR).get("/attention").text
    assert "<dt>Proposed by</dt><dd>ana</dd>" in page
    assert "Confirm or withdraw" in page


# In a browser


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    installation = browsing.site.installation
    parked = installation.parts.index.parked() or [park(installation)]
    browsing.sign_in(Role.OPERATOR, language=language, theme=theme)
    browsing.open(f"/transactions/{parked[0]}/decide")
    browsing.check_page()
    browsing.picture("decide")


def test_a_parked_order_is_found_decided_and_settled(browsing: Browsing) -> None:
    installation = browsing.site.installation
    order = "1532540012399-01"
    transaction = park(installation, order, "20.00", "VAUCHAR-ACTIVE-250")
    redemption = spent(installation, "20.00", "VAUCHAR-ACTIVE-250")
    browsing.sign_in(Role.OPERATOR)
    page = browsing.open("/")
    page.get_by_role("link", name="Needs attention").click()
    item = page.get_by_role("listitem").filter(has_text=order)
    item.get_by_role("link", name="Decide").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Decide: order {order}")
    page.get_by_label("It happened").check()
    page.get_by_label("The backend's id of what happened").fill(redemption)
    page.get_by_label("What you saw").fill("the redemption is on the list")
    page.get_by_role("button", name="See what it will do").click()
    expect(page.locator("#effect")).to_contain_text("The order is settled: R$20.00 were taken from the card.")
    browsing.check_page()
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("status")).to_have_text("Decided: it is done.")
    after = story_of(installation.parts, installation.record(transaction)).transaction
    assert (after.settled, after.unresolved) == (Decimal("20.00"), None)
