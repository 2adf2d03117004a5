"""Try it: a checkout that plays VTEX through the service's own door, in a demo and nowhere else."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import redis
from flask import Flask
from playwright.sync_api import expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import TestResponse

from app.admin import demo
from app.admin.demo import Checkout, Demo, Sandbox, Sight
from app.admin.people import users
from app.admin.people.users import Role
from app.console import PATH, create_console
from app.ledger.lost_answers import PAUSES_SECONDS
from app.ledger.service import ChangeRequest
from app.protocol.paths import CollapsedSlashes
from app.protocol.routes import create_blueprint
from mappers.deadline import Deadline
from mappers.lightrail_v2.sandbox import SEEDS
from mappers.sandbox import CONTROL
from tests.app.commands import free_port
from tests.commands.conftest import CODE, Installation, installed

from . import test_guard
from .browser import LOOKS, Browsing, Site
from .conftest import Console, Visitor


class Quiet(WSGIRequestHandler):
    """Says nothing of each request."""

    def log(self, *_args: object) -> None:
        pass


@contextmanager
def playing(installation: Installation) -> Iterator[Site]:
    """The installation as a demo: the protocol and the console, served on one port of this machine."""
    port, file = free_port(), installation.folder / "demo.json"
    Demo("first-key", "first-token", {"acme": Sandbox(f"{installation.backend.url}{CONTROL}", SEEDS)}).write(file)
    settings = replace(
        installation.parts.settings, demo=file, bind=f"127.0.0.1:{port}", money_deadline_seconds=2, lease_seconds=4
    )
    installation.parts = parts = replace(installation.parts, settings=settings)
    service, console = Flask("service", static_folder=None), create_console(parts)
    service.register_blueprint(create_blueprint(parts.registry, parts.ledger, parts.cards, settings))
    doors = CollapsedSlashes(DispatcherMiddleware(service.wsgi_app, {PATH: console}))
    server = make_server("127.0.0.1", port, doors, threaded=True, request_handler=Quiet)
    server.log_startup = lambda: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Site(installation, console, f"http://127.0.0.1:{port}{PATH}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Player:
    """An owner of a demo's console at its page."""

    console: Console
    visitor: Visitor
    name: str = ""

    @property
    def installation(self) -> Installation:
        return self.console.installation

    def search(self, code: str = CODE) -> TestResponse:
        answer = self.visitor.post("/try", provider="acme", code=code)
        if answer.status_code == 303:
            self.name = answer.headers["Location"].rpartition("/")[2]
        return answer

    def send(self, what: str, amount: str = "", lost: str = "", request_id: str = "", **form: Any) -> TestResponse:
        """Press a button, and return the page that it leads to."""
        named = re.findall(r'name="request_id" value="([^"]+)"', self.page().text)
        form |= {"amount": amount, "lost": lost, "request_id": request_id or named[0]}
        answer = self.visitor.post(f"/try/{self.name}/{what}", **form)
        assert answer.status_code == 303, answer.text
        return self.page()

    def page(self) -> TestResponse:
        return self.visitor.get(f"/try/{self.name}")

    @property
    def checkout(self) -> Checkout:
        found = demo.checkout(self.installation.parts, self.name)
        assert found is not None
        return found

    @property
    def statuses(self) -> list[int | None]:
        return [call.status for call in self.checkout.calls]

    def sight(self) -> Sight:
        played = demo.demo_of(self.installation.parts)
        assert played is not None
        return demo.look(self.installation.parts, played, self.checkout)

    def amounts(self) -> dict[str, str]:
        story = self.sight().story
        assert story is not None
        one = story.transaction
        return {name: f"{getattr(one, name)}" for name in ("reserved", "settled", "voided", "refunded")}

    def events(self) -> list[str]:
        story = self.sight().story
        return [event.what for event in story.events] if story else []


@pytest.fixture
def player(installation: Installation) -> Iterator[Player]:
    with playing(installation) as site:
        console = Console(installation, site.app)
        found = Player(console, console.user(Role.OWNER))
        yield found


def test_it_is_in_no_other_service(console: Console) -> None:
    owner = console.user(Role.OWNER)
    assert f"{PATH}/try" not in owner.get("/").text
    secret = users.add(console.installation.parts, demo.USER, Role.OWNER)
    for path in ("/try", "/try/0123", "/try/0123/live"):
        assert owner.get(path).status_code == 404, path
    assert console.stranger().get(f"/in/{secret}").status_code == 404


def test_the_navigation_of_a_demo_leads_to_it_and_it_offers_the_codes_of_the_sandboxes(player: Player) -> None:
    assert f'href="{PATH}/try"' in player.visitor.get("/").text
    page = player.visitor.get("/try").text
    assert all(code in page for code in SEEDS)


def test_a_code_shows_the_balance_that_vtex_is_told(player: Player) -> None:
    assert player.search().status_code == 303
    assert "VTEX was told that this card has R$250.00." in player.page().text


@pytest.mark.parametrize(
    ("code", "says"), [("NO-SUCH-CODE", "VTEX was told of no card"), ("", "Type a code, or take one of those below.")]
)
def test_a_code_that_finds_nothing_says_what_vtex_was_told(player: Player, code: str, says: str) -> None:
    answer = player.search(code)
    assert (answer.status_code, says in answer.text) == (422, True)


def test_an_order_is_paid_invoiced_canceled_and_refunded(player: Player) -> None:
    before = player.installation.at_the_backend()
    player.search()
    player.send("pay", "60.00")
    assert player.amounts() == {"reserved": "60.00", "settled": "0.00", "voided": "0.00", "refunded": "0.00"}
    player.send("settle", "40.00")
    player.send("cancel", "20.00")
    page = player.send("refund", "15.00")
    assert player.amounts() == {"reserved": "0.00", "settled": "40.00", "voided": "20.00", "refunded": "15.00"}
    assert player.statuses == [200] * 5
    assert before - player.installation.at_the_backend() == 2500
    assert "R$225.00" in page.text


def test_an_answer_that_the_backend_loses_is_found_and_the_money_moves_once(player: Player) -> None:
    before = player.installation.at_the_backend()
    player.search()
    page = player.send("pay", "60.00", lost="backend")
    assert player.statuses == [200, 200]
    assert [(asked.status, asked.lost) for asked in player.sight().asked] == [(201, True)]
    assert "answer lost" in page.text
    assert before - player.installation.at_the_backend() == 6000


def test_a_retry_after_an_answer_that_vtex_never_had_moves_no_money_again(player: Player) -> None:
    before = player.installation.at_the_backend()
    player.search()
    player.send("pay", "60.00", lost="service")
    assert player.statuses == [200, None]
    assert "VTEX does not know of a payment yet" in player.send("settle", "40.00").text
    player.send("retry")
    assert player.statuses == [200, None, 200]
    assert player.events().count("done") == 1
    assert before - player.installation.at_the_backend() == 6000
    player.send("settle", "40.00")
    assert player.amounts()["settled"] == "40.00"


def test_a_form_that_is_sent_twice_pays_one_order(player: Player) -> None:
    player.search()
    request_id = "console-" + "a" * 24
    for _ in range(2):
        player.send("pay", "60", request_id=request_id)
    assert len({call.answer["id"] for call in player.checkout.calls[1:]}) == 1
    assert player.amounts()["reserved"] == "60.00"


def test_a_backend_that_was_killed_answers_nobody_and_the_order_is_paid_once_when_it_is_back(player: Player) -> None:
    before = player.installation.at_the_backend()
    player.search()
    player.send("kill")
    (fault,) = player.installation.backend.faults.pending()
    assert (fault.kind, fault.lasts_seconds) == ("drop_before", demo.DOWN_SECONDS)
    page = player.send("pay", "60.00")
    assert "does not answer" in page.text
    assert player.search().status_code == 503
    assert player.checkout.paid is None
    player.installation.backend.faults.clear()  # as after these seconds
    player.send("retry")
    assert player.checkout.paid is not None
    assert before - player.installation.at_the_backend() == 6000


@pytest.mark.parametrize("amount", ["", "0", "sixty", "-1"])
def test_what_is_no_amount_is_not_sent(player: Player, amount: str) -> None:
    player.search()
    player.send("pay", amount)
    assert len(player.checkout.calls) == 1


def test_whoever_watches_gets_what_is_new_and_nothing_else(player: Player) -> None:
    player.search()
    seen = re.search(r"seen=([0-9a-f]+)", player.page().text)
    assert seen
    assert player.visitor.get(f"/try/{player.name}/live", seen=seen[1]).status_code == 204
    player.send("pay", "60.00")
    fresh = player.visitor.get(f"/try/{player.name}/live", seen=seen[1])
    assert (fresh.status_code, "<html" in fresh.text, "reserved" in fresh.text) == (200, False, True)


def test_the_code_is_in_no_address_and_not_in_redis(player: Player) -> None:
    assert CODE not in player.search().headers["Location"]
    player.send("pay", "60.00")
    assert CODE not in player.page().text
    with redis.Redis.from_url(player.installation.environment["GIFTBRIDGE_REDIS_URL"]) as client:
        assert not [name for name in client.scan_iter() if CODE.encode() in name + (client.dump(name) or b"")]


def test_the_link_of_a_demo_signs_in_once_and_on_this_machine_only(player: Player) -> None:
    secret = users.add(player.installation.parts, demo.USER, Role.OWNER)
    stranger = player.console.stranger()
    elsewhere = stranger.client.get(f"/in/{secret}", headers={"Host": "gift.example.com"})
    assert elsewhere.status_code == 404
    assert stranger.get("/in/guessed").status_code == 404
    entered = stranger.get(f"/in/{secret}")
    assert (entered.status_code, entered.headers["Location"]) == (303, f"{PATH}/try")
    assert stranger.get("/try").status_code == 200
    assert stranger.get(f"/in/{secret}").status_code == 303, "who is in stays in"
    assert player.console.stranger().get(f"/in/{secret}").status_code == 404


def test_its_views_are_guarded_as_all_others(player: Player) -> None:
    test_guard.test_every_view_declares_who_may_use_it(player.console)
    test_guard.test_every_view_that_changes_something_needs_more_than_a_viewer(player.console)
    player.search()
    viewer = player.console.user(Role.VIEWER)
    assert viewer.get(f"/try/{player.name}").status_code == 200
    for what in ("pay", "settle", "retry", "kill"):
        assert viewer.post(f"/try/{player.name}/{what}", amount="1.00").status_code == 403
    assert len(player.checkout.calls) == 1


@pytest.fixture(scope="module")
def site(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.ledger.lost_answers.PAUSES_SECONDS", (0.01,) * len(PAUSES_SECONDS))
        with installed(tmp_path_factory.mktemp("demo"), redis_url) as found, playing(found) as site:
            yield site


def begin(browsing: Browsing) -> None:
    page = browsing.open("/try")
    page.locator("#code").fill("LIGHT-ACTIVE-250")
    page.locator("main form button").first.click()
    page.wait_for_url("**/try/*")


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    browsing.sign_in(language=language, theme=theme)
    browsing.open("/try")
    browsing.check_page()
    browsing.picture("try-it")
    begin(browsing)
    browsing.page.locator("#amount-pay-backend").fill("5")  # all languages share the card
    pay = browsing.page.locator("form[action$='/pay'] button")
    pay.nth(1).click()  # and lose the backend's answer
    expect(browsing.page.locator("#live .timeline").nth(1)).to_be_visible()
    browsing.check_page()
    browsing.picture("try-it-checkout")


def test_a_lost_answer_and_a_retry_are_one_payment(browsing: Browsing) -> None:
    before = browsing.site.installation.at_the_backend()
    browsing.sign_in(language="en")
    begin(browsing)
    page = browsing.page
    page.get_by_role("button", name="Pay a new order").click()
    told, written = (page.locator("#live .timeline").nth(number) for number in range(2))
    expect(told.get_by_text("200")).to_have_count(2)
    page.get_by_role("button", name="Pay, and lose the answer to VTEX").click()
    expect(told.get_by_text("no answer")).to_have_count(1)
    page.get_by_role("button", name="Send the last call again").click()
    expect(told.get_by_text("The same again")).to_have_count(1)
    expect(written.get_by_text("authorization R$60.00: done")).to_have_count(1)
    assert before - browsing.site.installation.at_the_backend() == 12000, "two orders, each once"
    # Somebody else settles it, and whoever watches sees it without a reload.
    order = page.locator("#of-ledger + p a").get_attribute("href")
    assert order is not None
    installation = browsing.site.installation
    change = ChangeRequest(installation.card(), order.rpartition("/")[2], 4000, "settled-elsewhere")
    installation.parts.ledger.settle(installation._provider("acme"), change, Deadline.after(5))
    expect(written.get_by_text("settlement R$40.00: done")).to_have_count(1)
