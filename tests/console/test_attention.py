"""What waits for a person is listed in the reader's language, with what mends it, until it is mended."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import cast

import pytest

from app.admin import activity, attention
from app.admin.attention import Kind
from app.admin.people.users import Role
from app.console import create_console
from app.console.pages.attention import KINDS, ON_A_PAGE
from app.ledger.storage.connection import Connection
from app.ledger.storage.index import Index
from app.ledger.transaction import Decision
from tests.commands.conftest import Installation
from tests.commands.test_reconcile import lose_at_the_backend
from tests.ledger.conftest import make_system, non_idempotent, system
from tests.ledger.driver import left_for_a_person
from tests.ledger.reconciliation_driver import pay_with
from tests.ledger.system import System
from tests.ledger.test_attention import late_success, refused_settlement, runs_out, unresolved

from .browser import LOOKS, Browsing
from .conftest import Console, Visitor
from .parked import park

__all__ = ["make_system", "non_idempotent", "system"]


def console_of(system: System) -> Console:
    return Console(cast("Installation", system), create_console(system.parts))


def text(visitor: Visitor, **query: str) -> str:
    """The list as it reads, without its marks."""
    page = visitor.get("/attention", **query)
    assert page.status_code == 200, page.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text.split("<main", 1)[1]))


def offered(visitor: Visitor) -> list[str]:
    """Where the buttons of the list lead."""
    return re.findall(r'class="button[^"]*" href="/-/console/([^"]+)"', visitor.get("/attention").text)


def test_nothing_that_waits_is_said_kindly(console: Console) -> None:
    console.installation.pay()
    viewer = console.user(Role.VIEWER)
    assert "All is well: nothing waits for a person." in text(viewer)
    assert "Nothing of this kind waits." in text(viewer, kind="parked")


def test_a_parked_act_leads_to_its_decision(non_idempotent: System) -> None:
    transaction = left_for_a_person(non_idempotent)
    console = console_of(non_idempotent)
    shown = text(console.user(Role.OPERATOR))
    assert "The backend cannot tell whether this happened: the settlement of R$40.00." in shown
    assert "R$40.00 may have been taken, or not." in shown
    assert offered(console.user(Role.OPERATOR)) == [f"transactions/{transaction}/decide"]
    assert "Ask the backend again" in shown
    viewer = console.user(Role.VIEWER)
    assert ("What was seen" in text(viewer), "Ask the backend again" in text(viewer)) == (True, False)


def waiting(visitor: Visitor, path: str) -> str | None:
    """What the navigation says waits for a person."""
    found = re.search(r'<span class="count">([^<]+)<', visitor.get(path).text)
    return found[1] if found else None


def test_the_navigation_says_on_every_page_how_many_orders_wait_for_a_person(console: Console) -> None:
    viewer = console.user(Role.VIEWER)
    runs_out_soon = console.installation.pay()
    assert [waiting(viewer, path) for path in ("/", "/cards")] == [None, None]
    park(console.installation)
    assert [waiting(viewer, path) for path in ("/", "/cards", f"/transactions/{runs_out_soon}")] == ["1", "1", "1"]


def test_the_navigation_counts_refused_settlements_and_late_successes(system: System) -> None:
    refused_settlement(system)
    assert waiting(console_of(system).user(Role.VIEWER), "/cards") == "1"


def test_the_navigation_counts_in_one_round_trip_and_to_99(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer, parts = console.user(Role.VIEWER), console.installation.parts
    round_trips: list[object] = []
    pipeline = Connection.pipeline

    def counted(self: Connection, fill: Callable[[object], object]) -> list[object]:
        round_trips.append(fill)
        return cast("list[object]", pipeline(self, fill))

    monkeypatch.setattr(Connection, "pipeline", counted)
    assert parts.index.waiting() == 0
    assert len(round_trips) == 1
    for number, shown in ((99, "99"), (100, "99+")):
        monkeypatch.setattr(Index, "waiting", lambda _self, number=number: number)
        assert waiting(viewer, "/cards") == shown


def test_a_refused_settlement_is_done_again_or_seen_to(system: System) -> None:
    transaction = refused_settlement(system)
    console = console_of(system)
    operator = console.user(Role.OPERATOR)
    assert "The backend refused this: the settlement of R$30.00." in text(operator)
    assert "R$30.00 were not taken, nor was anything like it since." in text(operator)
    again, seen = offered(operator)
    assert (again, seen) == (
        f"transactions/{transaction}/settle?amount=30.00",
        f"attention/refused/{transaction}/1",
    )
    assert 'value="30.00"' in operator.get(f"/{again}").text
    asked = operator.get(f"/{seen}").text
    assert "Nothing more is told of this refusal, and no money moves." in asked
    assert "R$30.00" in asked
    assert operator.post(f"/{seen}").status_code == 303
    assert "It is seen to." in text(operator)
    assert "All is well" in text(operator)
    events = [(event["what"], event.get("by")) for event in system.storage.events(transaction)]
    assert events.count(("seen to", "operator")) == 1
    [entry] = activity.newest(system.parts, 9)
    assert (entry.who, entry.what, entry.about, entry.details) == (
        "operator",
        "seen to",
        transaction,
        {"amount": "30.00 BRL"},
    )
    operator.post(f"/{seen}")
    assert "this does not wait any more" in text(operator)
    assert [event["what"] for event in system.storage.events(transaction)].count("seen to") == 1


def test_a_late_success_is_seen_to(system: System) -> None:
    transaction = late_success(system)
    operator = console_of(system).user(Role.OPERATOR)
    shown = text(operator)
    assert "This was refused, and happened after all, too late to count: the settlement of R$40.00." in shown
    assert "R$40.00 may have been taken from the card beyond what the ledger has." in shown
    [seen] = offered(operator)
    assert seen == f"attention/late/{transaction}/1"
    assert "Correct the card at the backend first." in operator.get(f"/{seen}").text
    assert operator.post(f"/{seen}").status_code == 303
    assert not attention.page(system.parts, 9, kinds=(Kind.LATE,)).items
    assert [entry.what for entry in activity.newest(system.parts, 9)] == ["seen to"]
    assert operator.get(f"/{seen}").headers["Location"] == "/-/console/attention"


def test_what_is_unresolved_for_long_can_be_asked_for_at_once(system: System) -> None:
    transaction = unresolved(system)
    operator = console_of(system).user(Role.OPERATOR)
    assert "Nobody knows yet what became of this: the settlement of R$40.00." in text(operator)
    assert f'action="/-/console/transactions/{transaction}/resolve"' in operator.get("/attention").text
    system.lose_lease(transaction)
    operator.post(f"/transactions/{transaction}/resolve")
    assert "All is well" in text(operator)


def test_a_reservation_that_ends_soon_is_settled_or_given_back(system: System) -> None:
    transaction = system.authorize("40.00")
    runs_out(system, transaction, timedelta(days=1))
    operator = console_of(system).user(Role.OPERATOR)
    shown = text(operator)
    assert "The reservation of R$40.00 ends soon, and nothing has settled it." in shown
    assert (f"Transaction {transaction[:12]}…" in shown, " Ends " in shown) == (True, True)
    assert offered(operator) == [f"transactions/{transaction}/settle", f"transactions/{transaction}/void"]


def test_what_the_ledger_wants_by_itself_is_said_to_be_tried_again(system: System) -> None:
    system.settle(system.authorize("40.00"), "10.00")
    system.backend.frozen = True
    system.sweep()
    system.backend.frozen = False
    operator = console_of(system).user(Role.OPERATOR)
    assert "The service tries it again once a day." in text(operator)
    assert [where.split("/")[0] for where in offered(operator)] == ["attention"]


def test_what_is_of_the_whole_service_names_its_command(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    system.parts.history.doubt("restored the backup of Sunday")
    monkeypatch.setattr(Index, "overdue", lambda _: timedelta(hours=2))
    shown = text(console_of(system).user(Role.VIEWER))
    assert "Redis may have forgotten changes. restored the backup of Sunday" in shown
    assert "giftbridge ledger doubts" in shown
    assert "Unfinished transactions are not looked at." in shown
    assert "giftbridge sweep" in shown


def test_what_a_comparison_found_is_listed(console: Console) -> None:
    installation = console.installation
    transaction = installation.pay("60.00", "1532-01")
    lose_at_the_backend(installation, transaction)
    now = Connection.now_milliseconds
    with pytest.MonkeyPatch.context() as an_hour_later:  # what happened just now is left to the next run
        an_hour_later.setattr(Connection, "now_milliseconds", lambda connection: now(connection) + 3_600_000)
        installation.run("reconcile", "acme")
    shown = text(console.user(Role.VIEWER))
    assert "The ledger has it as done, and the backend shows nothing of it." in shown
    assert "60.00 BRL may be back on the card" in shown
    assert offered(console.user(Role.VIEWER)) == ["reconciliation"]


def test_a_comparison_that_could_not_be_finished_is_listed(console: Console) -> None:
    installation = console.installation
    installation.pay("60.00")
    installation.backend.faults.add("status", status=503, times=50)
    installation.run("reconcile", "acme")
    installation.backend.faults.clear()
    shown = text(console.user(Role.VIEWER), kind="not reconciled")
    assert "The backend could not be asked about everything that the ledger has." in shown
    assert "Whether ledger and backend agree on the money is not known." in shown


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("pt_BR", "O sistema do cartão não sabe dizer se isto aconteceu: a liquidação de R$ 60,00."),
        ("es", "El sistema de la tarjeta no sabe decir si esto ocurrió: la liquidación de 60,00 BRL."),
    ],
)
def test_it_speaks_the_readers_language(console: Console, language: str, says: str) -> None:
    park(console.installation)
    shown = text(console.user(Role.VIEWER, language=language)).replace("\xa0", " ")
    assert says in shown
    page = console.user(Role.VIEWER, language=language).get("/attention").text
    assert '<small><span lang="en">the balance fits nothing</span></small>' in page


def test_every_kind_has_a_name_to_filter_by(console: Console) -> None:
    assert list(KINDS) == list(Kind)
    park(console.installation)
    viewer = console.user(Role.VIEWER)
    page = viewer.get("/attention", kind="parked").text
    assert '<option value="parked" selected>Waits for a decision</option>' in page
    assert "Nothing of this kind waits." in text(viewer, kind="expiring")
    assert "the settlement of R$60.00" in text(viewer, kind="of no kind")


def test_pages_have_everything_once(system: System) -> None:
    wait = [late_success(system), *(pay_with(system, f"another-{number}", "x") for number in range(ON_A_PAGE))]
    for number, transaction in enumerate(wait[1:], start=1):
        runs_out(system, transaction, timedelta(hours=number))
    viewer = console_of(system).user(Role.VIEWER)
    first = viewer.get("/attention").text
    [after] = re.findall(r'href="/-/console(/attention\?[^"]*)" rel="next"', first)
    second = viewer.get(after.replace("&amp;", "&")).text
    shown = [re.findall(r'transactions/(gb-\w+)">Look at the transaction', page) for page in (first, second)]
    assert shown == [wait[:ON_A_PAGE], wait[ON_A_PAGE:]]
    assert ('rel="next"' in second, "First page" in second) == (False, True)
    assert viewer.get("/attention", after="cut").status_code == 200


@pytest.mark.parametrize("make", [refused_settlement, late_success])
def test_a_viewer_says_of_nothing_that_it_is_seen_to(system: System, make: Callable[[System], str]) -> None:
    transaction = make(system)
    console = console_of(system)
    viewer = console.user(Role.VIEWER)
    assert offered(viewer) == []
    for kind in ("refused", "late"):
        assert viewer.get(f"/attention/{kind}/{transaction}/1").status_code == 403
        assert viewer.post(f"/attention/{kind}/{transaction}/1").status_code == 403
    assert attention.page(system.parts, 9).items


def test_what_is_not_there_is_not_seen_to(system: System) -> None:
    transaction = system.authorize("40.00")
    operator = console_of(system).user(Role.OPERATOR)
    assert operator.post(f"/attention/refused/{transaction}/7").status_code == 404
    for kind in ("refused", "late"):
        operator.post(f"/attention/{kind}/{transaction}/0")
        assert "this does not wait any more" in text(operator)
    assert activity.newest(system.parts, 9) == []


def test_a_late_success_is_not_taken_for_what_was_parked_since(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the word, nothing but a late success may be ended by it."""
    transaction = late_success(system)
    operator = console_of(system).user(Role.OPERATOR)
    monkeypatch.setattr("app.console.pages.attention._waits", lambda *_: True)
    system.ledger.decide(
        system.provider, system.record(transaction).address, system.deadline(), Decision("ana", happened=False)
    )
    operator.post(f"/attention/late/{transaction}/1")
    assert "this does not wait any more" in text(operator)
    assert activity.newest(system.parts, 9) == []


@pytest.mark.parametrize("amount", ["0", "-1.00", "NaN", "1e9", "x", "40.01"])
def test_an_amount_in_an_address_is_no_more_than_a_suggestion(system: System, amount: str) -> None:
    transaction = system.authorize("40.00")
    page = console_of(system).user(Role.OPERATOR).get(f"/transactions/{transaction}/settle", amount=amount).text
    assert 'value="40.00"' in page


# In a browser


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    installation = browsing.site.installation
    if not installation.parts.index.parked():
        park(installation)
        installation.parts.history.doubt("a backup was restored")
    browsing.sign_in(Role.OPERATOR, language=language, theme=theme)
    browsing.open("/attention")
    browsing.check_page()
    browsing.picture("attention")
