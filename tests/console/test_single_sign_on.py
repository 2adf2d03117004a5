"""Single sign-on: who has proved who they are to an issuer comes in, if an owner has let them in; nobody else does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from joserfc.jwk import OctKey, RSAKey
from playwright.sync_api import expect
from werkzeug.test import TestResponse

from app.admin.people import sessions, sign_in, single_sign_on, users
from app.admin.people.users import Role
from app.console import create_console
from app.parts import Parts
from app.settings import InvalidSettings, Settings

from .browser import Browsing, Site, served
from .conftest import PASSWORD, Console, Visitor
from .issuer import CLIENT_ID, CLIENT_SECRET, Issuer, issuing

ANA = "ana@store.example"


def believe(parts: Parts, issuer: Issuer) -> None:
    settings = {
        "console_oidc_issuer": issuer.url,
        "console_oidc_client_id": CLIENT_ID,
        "console_oidc_client_secret": CLIENT_SECRET,
    }
    for name, value in settings.items():
        object.__setattr__(parts.settings, name, value)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as found:
        found.is_somebody(ANA)
        yield found


@dataclass
class Setup:
    console: Console
    issuer: Issuer

    @property
    def parts(self) -> Parts:
        return self.console.installation.parts

    def round_trip(self, visitor: Visitor, path: str = "/single-sign-on", **query: str) -> TestResponse:
        """Go to the issuer and back, as a browser does."""
        sent = visitor.get(path, **query)
        assert sent.status_code == 303, sent.text
        returned = requests.get(sent.headers["Location"], allow_redirects=False, timeout=5)
        return self.come_back(visitor, returned.headers["Location"])

    def come_back(self, visitor: Visitor, address: str) -> TestResponse:
        parts = urlsplit(address)
        assert parts.path == "/-/console/single-sign-on/back"
        return visitor.client.get(f"/single-sign-on/back?{parts.query}")

    def ana(self, role: Role = Role.OPERATOR) -> Visitor:
        """Somebody who may come in with single sign-on, and has."""
        users.add_for_single_sign_on(self.parts, ANA, role)
        ana = self.console.stranger()
        assert self.round_trip(ana).status_code == 200
        return ana


@pytest.fixture
def setup(console: Console, issuer: Issuer) -> Setup:
    console.user(Role.OWNER)
    believe(console.installation.parts, issuer)
    return Setup(Console(console.installation, create_console(console.installation.parts)), issuer)


def is_in(visitor: Visitor) -> bool:
    return visitor.get("/").status_code == 200


def test_whom_the_issuer_knows_and_an_owner_has_let_in_comes_in_without_a_password(setup: Setup) -> None:
    ana = setup.ana()
    assert is_in(ana)
    entry = sign_in.newest(setup.parts, 1)[0]
    assert (entry.user, entry.outcome) == (ANA, "signed in with single sign-on")
    [asked] = setup.issuer.asked
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert {"openid", "email"} <= set(asked["scope"].split())
    assert "prompt" not in asked


def test_the_sign_in_page_leads_there_and_the_way_back_to_what_was_asked_for(setup: Setup) -> None:
    users.add_for_single_sign_on(setup.parts, ANA, Role.VIEWER)
    ana = setup.console.stranger()
    page = ana.get("/sign-in", next="/-/console/cards?provider=acme").text
    link = re.search(r'href="/-/console(/single-sign-on\?next=[^"]+)"', page)
    assert link is not None
    led_on = setup.round_trip(ana, link[1]).text
    assert '<meta http-equiv="refresh" content="0;url=/-/console/cards?provider=acme">' in led_on


def test_a_way_back_leads_nowhere_else(setup: Setup) -> None:
    users.add_for_single_sign_on(setup.parts, ANA, Role.VIEWER)
    led_on = setup.round_trip(setup.console.stranger(), next="https://evil.example/-/console/")
    assert "evil" not in led_on.text
    assert 'content="0;url=/-/console/"' in led_on.text


def refused(setup: Setup, visitor: Visitor | None = None) -> None:
    visitor = visitor or setup.console.stranger()
    page = setup.round_trip(visitor)
    assert (page.status_code, "http-equiv" in page.text) == (403, False)
    assert not is_in(visitor)


DAY_SECONDS = 86_400  # these moments are told when the tests are found, which may be long before they run
WRONG: dict[str, dict[str, Any]] = {
    "of another issuer": {"iss": "https://other.example"},
    "for another client": {"aud": "another-client"},
    "for several, and given to another": {"aud": [CLIENT_ID, "other"], "azp": "other"},
    "too old": {"exp": int(time.time()) - 120, "iat": int(time.time()) - 600},
    "of the future": {"iat": int(time.time()) + DAY_SECONDS, "nbf": int(time.time()) + DAY_SECONDS},
    "of another sign-in": {"nonce": "another"},
    "of no sign-in": {"nonce": None},
    "of nobody": {"sub": None},
    "without an end": {"exp": None},
    "without the name": {"email": None},
    "with an address that nobody has verified": {"email_verified": False},
    "that does not say whether the address is verified": {"email_verified": None},
    "whose word for verified is not true": {"email_verified": "true"},
}


@pytest.mark.parametrize("told", WRONG.values(), ids=WRONG)
def test_a_token_is_refused(setup: Setup, told: dict[str, Any]) -> None:
    users.add_for_single_sign_on(setup.parts, ANA, Role.OWNER)
    setup.issuer.told = told
    refused(setup)
    setup.issuer.told = {}
    assert setup.round_trip(setup.console.stranger()).status_code == 200, "nothing else was wrong with it"


def test_a_token_that_somebody_else_signed_is_refused(setup: Setup) -> None:
    users.add_for_single_sign_on(setup.parts, ANA, Role.OWNER)
    setup.issuer.key = RSAKey.generate_key(2048, {"kid": "one"})
    refused(setup)


def test_a_token_that_nobody_signed_is_refused(setup: Setup) -> None:
    users.add_for_single_sign_on(setup.parts, ANA, Role.OWNER)
    setup.issuer.header = {"alg": "none"}
    refused(setup)


def test_a_token_signed_with_what_the_client_knows_is_refused(setup: Setup) -> None:
    users.add_for_single_sign_on(setup.parts, ANA, Role.OWNER)
    setup.issuer.header, setup.issuer.key = {"alg": "HS256"}, OctKey.import_key(CLIENT_SECRET * 3)
    refused(setup)


def test_an_answer_to_what_this_browser_did_not_ask_is_refused(setup: Setup) -> None:
    users.add_for_single_sign_on(setup.parts, ANA, Role.OWNER)
    thief, victim = setup.console.stranger(), setup.console.stranger()
    sent = thief.get("/single-sign-on")
    returned = requests.get(sent.headers["Location"], allow_redirects=False, timeout=5).headers["Location"]
    assert setup.come_back(victim, returned).status_code == 403
    victim.get("/single-sign-on")
    assert setup.come_back(victim, returned).status_code == 403, "the state is another one's"
    assert not is_in(victim)


def test_a_code_counts_once(setup: Setup) -> None:
    users.add_for_single_sign_on(setup.parts, ANA, Role.OWNER)
    ana = setup.console.stranger()
    sent = ana.get("/single-sign-on")
    cookie = ana.client.get_cookie("giftbridge-single-sign-on", path="/-/console")
    assert cookie is not None
    returned = requests.get(sent.headers["Location"], allow_redirects=False, timeout=5).headers["Location"]
    assert setup.come_back(ana, returned).status_code == 200
    assert ana.client.get_cookie("giftbridge-single-sign-on", path="/-/console") is None
    other = setup.console.stranger()
    other.client.set_cookie("giftbridge-single-sign-on", cookie.value, path="/-/console")
    assert setup.come_back(other, returned).status_code == 403


def test_an_answer_that_names_another_issuer_is_refused(setup: Setup) -> None:
    users.add_for_single_sign_on(setup.parts, ANA, Role.OWNER)
    ana = setup.console.stranger()
    sent = ana.get("/single-sign-on")
    returned = requests.get(sent.headers["Location"], allow_redirects=False, timeout=5).headers["Location"]
    assert setup.come_back(ana, f"{returned}&iss=https://other.example").status_code == 403


def test_what_the_issuer_refuses_lets_nobody_in(setup: Setup) -> None:
    ana = setup.console.stranger()
    state = dict(pair.split("=") for pair in urlsplit(ana.get("/single-sign-on").headers["Location"]).query.split("&"))
    back = f"http://localhost/-/console/single-sign-on/back?error=access_denied&state={state['state']}"
    assert setup.come_back(ana, back).status_code == 403


def test_whom_nobody_has_let_in_here_stays_outside(setup: Setup) -> None:
    refused(setup)
    entry = sign_in.newest(setup.parts, 1)[0]
    assert (entry.user, entry.outcome) == ("", "single sign-on: may not come in")


def test_who_is_kept_out_here_stays_outside_whatever_the_issuer_says(setup: Setup) -> None:
    ana = setup.ana()
    users.disable(setup.parts, ANA)
    assert not is_in(ana)
    refused(setup)
    assert sign_in.newest(setup.parts, 1)[0].user == ANA


def test_who_has_a_password_does_not_come_in_so(setup: Setup) -> None:
    users.accept(setup.parts, ANA, users.add(setup.parts, ANA, Role.OWNER), PASSWORD)
    refused(setup)


def test_who_comes_in_so_has_no_password_that_works(setup: Setup) -> None:
    setup.ana()
    stranger = setup.console.stranger()
    assert stranger.post("/sign-in", name=ANA, password="").status_code == 403
    ana = setup.console.stranger()
    setup.round_trip(ana)
    assert ana.post("/account/password", old="", password="four other words here").status_code == 422
    assert "there is no password of yours here" in ana.get("/account").text


def test_somebody_else_who_gets_the_name_later_is_not_let_in_before_an_owner_says_so(setup: Setup) -> None:
    setup.ana()
    setup.issuer.is_somebody(ANA, subject="another-person")
    refused(setup)
    owner = setup.console.user(Role.OWNER)
    owner.post(f"/people/{ANA}/single-sign-on")
    assert setup.round_trip(setup.console.stranger()).status_code == 200
    setup.issuer.is_somebody(ANA)
    refused(setup)


def test_an_owner_lets_somebody_in_at_the_console(setup: Setup) -> None:
    owner = setup.console.user(Role.OWNER)
    made = owner.post("/people", name=ANA, role="viewer", way_in="single-sign-on")
    assert (made.status_code, "invitation" in made.text) == (303, False)
    assert "has not come in with single sign-on yet" in owner.get("/people").text
    assert setup.round_trip(setup.console.stranger()).status_code == 200


def test_a_password_takes_single_sign_on_away(setup: Setup) -> None:
    setup.ana()
    setup.console.user(Role.OWNER).post(f"/people/{ANA}/reset")
    refused(setup)


def test_another_claim_may_be_the_name(setup: Setup) -> None:
    object.__setattr__(setup.parts.settings, "console_oidc_name_claim", "preferred_username")
    setup = Setup(Console(setup.console.installation, create_console(setup.parts)), setup.issuer)
    users.add_for_single_sign_on(setup.parts, "ana", Role.VIEWER)
    setup.issuer.claims = {"sub": "1", "preferred_username": "Ana"}
    assert setup.round_trip(setup.console.stranger()).status_code == 200


def test_an_issuer_that_wants_the_secret_in_the_form_gets_it_there(setup: Setup) -> None:
    setup.issuer.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert is_in(setup.ana())


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"jwks_uri": None},
    ],
    ids=["of another", "without TLS", "without keys"],
)
def test_an_issuer_that_cannot_be_right_is_not_asked(setup: Setup, metadata: dict[str, Any]) -> None:
    setup.issuer.metadata = metadata
    page = setup.console.stranger().get("/single-sign-on")
    assert (page.status_code, "sign-in does not answer now" in page.text) == (503, True)


def test_so_many_wait_for_the_issuer_and_no_more(setup: Setup) -> None:
    issuer: single_sign_on.Issuer = setup.console.app.extensions["giftbridge-issuer"]
    for _ in range(single_sign_on.AT_A_TIME):
        issuer._turns.acquire()
    assert setup.console.stranger().get("/single-sign-on").status_code == 503
    assert setup.issuer.asked == []


def test_without_an_issuer_there_is_no_single_sign_on(console: Console) -> None:
    owner = console.user(Role.OWNER)
    for path in ("/single-sign-on", "/single-sign-on/again", "/single-sign-on/back"):
        assert owner.get(path).status_code in (403, 404), path
    assert "single sign-on" not in console.stranger().get("/sign-in").text


# Much money.


@pytest.fixture
def order(setup: Setup) -> str:
    object.__setattr__(setup.parts.settings, "console_password_above", 5)
    return setup.console.installation.pay("60.00")


def settle(ana: Visitor, order: str, amount: str = "40.00", **more: str) -> TestResponse:
    form = {"amount": amount, "reason": "delivered", "request_id": f"console-{amount.replace('.', ''):0>24}"}
    return ana.post(f"/transactions/{order}/settle", **form | more)


def way_to_prove(page: str) -> str:
    found = re.search(r'href="/-/console(/single-sign-on/again\?next=[^"]+)"', page)
    assert found is not None, page
    return found[1].replace("&amp;", "&")


def led_to(page: TestResponse) -> str:
    found = re.search(r'content="0;url=/-/console([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]


def settled(setup: Setup, order: str) -> int:
    return setup.console.installation.record(order).captured


def test_much_money_moves_after_a_fresh_sign_in_with_what_was_typed_kept(setup: Setup, order: str) -> None:
    ana = setup.ana()
    asked = settle(ana, order)
    assert "Your password" not in asked.text
    assert settle(ana, order, confirmed="40.00").status_code == 403, "not without it"
    back = led_to(setup.round_trip(ana, way_to_prove(asked.text)))
    assert (setup.issuer.asked[-1]["prompt"], setup.issuer.asked[-1]["max_age"]) == ("login", "0")
    again = ana.get(back).text
    assert "Takes R$40.00 of the R$60.00" in again
    assert 'value="delivered"' in again
    assert settled(setup, order) == 0, "nothing moves before it is confirmed"
    assert settle(ana, order, confirmed="40.00").status_code == 303
    assert settled(setup, order) == 4000
    assert settle(ana, order, "10.00", confirmed="10.00").status_code == 403, "one proof is for one act"


@pytest.mark.parametrize("date", [None, "old", "text"])
def test_an_issuer_that_does_not_ask_anew_proves_nothing(setup: Setup, order: str, date: str | None) -> None:
    ana = setup.ana()
    setup.issuer.told = {"auth_time": {"old": int(time.time()) - 600, "text": "now"}.get(date or "")}
    assert setup.round_trip(ana, way_to_prove(settle(ana, order).text)).status_code == 403
    assert settle(ana, order, confirmed="40.00").status_code == 403
    assert is_in(ana), "the session goes on"


def test_another_person_who_signs_in_in_the_middle_proves_nothing(setup: Setup, order: str) -> None:
    ana = setup.ana()
    setup.issuer.is_somebody("rui@store.example", subject="rui")
    users.add_for_single_sign_on(setup.parts, "rui@store.example", Role.OWNER)
    assert setup.round_trip(ana, way_to_prove(settle(ana, order).text)).status_code == 403
    assert settle(ana, order, confirmed="40.00").status_code == 403


def test_a_proof_is_over_after_a_while(setup: Setup, order: str) -> None:
    ana = setup.ana()
    setup.round_trip(ana, way_to_prove(settle(ana, order).text))
    [session] = sessions.every(setup.parts, ANA)
    document = setup.parts.documents.read("sessions", session.id)
    assert document is not None
    ago = document["proved"] - sessions.PROOF_LASTS.total_seconds() * 1000
    setup.parts.documents.write("sessions", session.id, document | {"proved": ago})
    assert settle(ana, order, confirmed="40.00").status_code == 403


def test_a_sign_in_alone_is_no_proof(setup: Setup, order: str) -> None:
    ana = setup.ana()
    assert settle(ana, order, confirmed="40.00").status_code == 403


def test_what_somebody_typed_is_shown_to_nobody_else(setup: Setup, order: str) -> None:
    ana = setup.ana()
    back = led_to(setup.round_trip(ana, way_to_prove(settle(ana, order).text)))
    other = setup.console.user(Role.OPERATOR).get(back).text
    assert "delivered" not in other
    elsewhere = setup.console.installation.pay("1.00", "order-2")
    assert "delivered" not in ana.get(back.replace(order, elsewhere)).text


# What is set up.


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("GIFTBRIDGE_CONSOLE_OIDC_CLIENT_ID", "needs GIFTBRIDGE_CONSOLE_OIDC_CLIENT_ID"),
        ("GIFTBRIDGE_CONSOLE_OIDC_CLIENT_SECRET", "needs GIFTBRIDGE_CONSOLE_OIDC_CLIENT_SECRET"),
        ("GIFTBRIDGE_CONSOLE_OIDC_ISSUER", "is for GIFTBRIDGE_CONSOLE_OIDC_ISSUER"),
    ],
)
def test_a_setting_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, missing: str, says: str) -> None:
    _configure(monkeypatch)
    Settings.from_environment()
    monkeypatch.delenv(missing)
    with pytest.raises(InvalidSettings, match=says):
        Settings.from_environment()


def test_an_issuer_without_tls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _configure(monkeypatch, "http://login.example.com")
    with pytest.raises(InvalidSettings, match="GIFTBRIDGE_CONSOLE_OIDC_ISSUER must start with https://"):
        Settings.from_environment()


def test_without_the_extra_the_setting_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    _configure(monkeypatch)
    monkeypatch.setattr("app.settings.find_spec", lambda name: None)
    with pytest.raises(
        InvalidSettings, match=r"GIFTBRIDGE_CONSOLE_OIDC_ISSUER needs .* pip install 'giftbridge\[oidc\]'"
    ):
        Settings.from_environment()


def _configure(monkeypatch: pytest.MonkeyPatch, issuer: str = "https://login.example.com") -> None:
    monkeypatch.setenv("GIFTBRIDGE_CONSOLE_OIDC_ISSUER", issuer)
    monkeypatch.setenv("GIFTBRIDGE_CONSOLE_OIDC_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("GIFTBRIDGE_CONSOLE_OIDC_CLIENT_SECRET", CLIENT_SECRET)


# A real browser: between two sites it brings no strict cookie.


@pytest.fixture
def window(browser: Any, site: Site, issuer: Issuer) -> Iterator[Browsing]:
    believe(site.installation.parts, issuer)
    issuer.asks_people = True
    object.__setattr__(site.installation.parts.settings, "console_password_above", 5)
    with served(site.installation) as with_issuer, Browsing.of(browser, with_issuer) as found:
        yield found
        assert {problem.partition("?")[0] for problem in found.problems} <= {
            f"asked {issuer.url}/authorize",
            f"asked {issuer.url}/favicon.ico",
        }


def test_in_a_browser_somebody_comes_in_and_settles_much(window: Browsing) -> None:
    order = window.site.installation.pay("60.00", "order-1")
    users.add_for_single_sign_on(window.site.installation.parts, ANA, Role.OPERATOR)
    page = window.open(f"/transactions/{order}")
    page.get_by_role("link", name="Sign in with single sign-on").click()
    page.get_by_role("link", name="It is me").click()
    page.get_by_role("link", name="Settle").click()
    page.get_by_label("Amount in BRL").fill("40.00")
    page.get_by_label("Reason").fill("delivered")
    page.get_by_role("button", name="See what it will do").click()
    page.get_by_role("link", name="Sign in once more").click()
    page.get_by_role("link", name="It is me").click()
    expect(page.locator("#effect")).to_contain_text("R$40.00")
    page.get_by_role("main").get_by_role("button", name="Settle").click()
    expect(page.get_by_role("status")).to_have_text("Done: R$40.00.")
    assert window.site.installation.record(order).captured == 4000
