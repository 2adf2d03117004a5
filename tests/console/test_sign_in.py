"""How users come in: a link that works once, a password, a code; and how nobody else does."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pyotp
import pytest
from werkzeug.test import TestResponse

from app.admin.people import sessions, sign_in, users
from app.admin.people.users import Role
from app.parts import Parts

from .browser import Browsing
from .conftest import PASSWORD, Console, Visitor


@pytest.fixture
def parts(console: Console) -> Parts:
    return console.installation.parts


@pytest.fixture
def ana(console: Console, parts: Parts) -> Visitor:
    """A user with a password, who is somewhere else now."""
    users.accept(parts, "ana", users.add(parts, "ana", Role.OWNER), PASSWORD)
    return console.stranger()


def enter(visitor: Visitor, name: str = "ana", password: str = PASSWORD, code: str = "", **query: str) -> TestResponse:
    path = "/sign-in" + (f"?next={query['next']}" if query else "")
    return visitor.post(path, name=name, password=password, code=code)


def is_in(visitor: Visitor) -> bool:
    return visitor.get("/").status_code == 200


def test_there_is_no_console_before_there_is_a_user(console: Console) -> None:
    nobody = console.stranger()
    for path in ("/", "/sign-in", "/static/console.css", "/nothing", "/invitation/ana/x"):
        assert nobody.get(path).status_code == 404, path


def test_a_link_lets_a_user_choose_a_password_once(console: Console, parts: Parts) -> None:
    link = f"/invitation/ana/{users.add(parts, 'ana', Role.VIEWER)}"
    ana = console.stranger()
    assert ana.get(link).status_code == 200
    assert ana.post(link, password="short").status_code == 422
    assert ana.post(link, password=PASSWORD).status_code == 303
    assert is_in(ana)
    other = console.stranger()
    assert other.get(link).status_code == 404
    assert other.post(link, password="another one for me").status_code == 404
    assert enter(other).status_code == 303


def test_a_link_is_over_after_a_day_and_after_a_newer_one(console: Console, parts: Parts, ana: Visitor) -> None:
    older, newer = users.reset(parts, "ana"), users.reset(parts, "ana")
    assert ana.get(f"/invitation/ana/{older}").status_code == 404
    assert ana.get(f"/invitation/ana/{newer}").status_code == 200
    users.change(parts, "ana", lambda one: one | {"invitation": one["invitation"] | {"until": 1}})
    assert ana.get(f"/invitation/ana/{newer}").status_code == 404


@pytest.mark.parametrize(
    "password", ["elevenchars", "password1234", "Senha123456789", "123456789012", "aaaaaaaaaaaaaa", "ana-maria1234"]
)
def test_a_weak_password_is_not_taken(console: Console, parts: Parts, password: str) -> None:
    secret = users.add(parts, "ana-maria", Role.VIEWER)
    page = console.stranger().post(f"/invitation/ana-maria/{secret}", password=password)
    assert (page.status_code, 'aria-invalid="true"' in page.text, password in page.text) == (422, True, False)


def test_the_right_password_lets_in_and_leads_on(ana: Visitor) -> None:
    assert enter(ana, next="/-/console/checks").headers["Location"] == "/-/console/checks"
    assert is_in(ana)


@pytest.mark.parametrize(
    "address", ["https://evil.example", "//evil.example/-/console/", "/elsewhere", "/-/console/\\x"]
)
def test_a_sign_in_leads_nowhere_else(ana: Visitor, address: str) -> None:
    assert enter(ana, next=address).headers["Location"] == "/-/console/"


@pytest.mark.parametrize(
    ("name", "password"), [("ana", "not her password"), ("bob", PASSWORD), ("", ""), ("A b", "a typed word")]
)
def test_wrong_names_and_passwords_look_the_same(ana: Visitor, name: str, password: str) -> None:
    page = enter(ana, name, password)
    assert (page.status_code, "The name, the password or the code is wrong." in page.text) == (403, True)
    assert password == "" or password not in page.text
    assert not is_in(ana)


def test_with_a_code_generator_each_code_lets_in_once(console: Console, parts: Parts, ana: Visitor) -> None:
    secret = users.new_totp()
    address = users.totp_address("ana", secret)
    assert address.startswith("otpauth://totp/giftbridge:ana")
    assert not users.enroll_totp(parts, "ana", secret, "000000x")
    users.change(parts, "ana", lambda one: one | {"totp": secret})
    code = pyotp.TOTP(secret).now()
    assert enter(ana).status_code == 403
    _forget_tries(parts)
    assert enter(ana, code=code).status_code == 303
    _forget_tries(parts)
    assert enter(console.stranger(), code=code).status_code == 403


def test_who_guesses_waits_longer_each_time(console: Console, parts: Parts, ana: Visitor) -> None:
    waits = []
    for _ in range(12):
        assert enter(console.stranger(), password="a guess").status_code == 403
        assert enter(console.stranger()).status_code == 429, "the turn is taken, even for the right password"
        waits.append(_forget_tries(parts, counts=False))
    assert waits == sorted(waits)
    assert waits[0] == 1
    assert waits[-1] == 60


def test_who_signed_in_here_before_is_not_kept_out_by_others_guesses(
    console: Console, parts: Parts, ana: Visitor
) -> None:
    enter(ana)
    ana.post("/sign-out")
    stranger = console.stranger()
    enter(stranger, password="a guess")
    assert enter(stranger).status_code == 429
    assert enter(ana).status_code == 303
    ana.post("/sign-out")
    enter(ana, password="a slip")
    assert enter(ana).status_code == 429, "a device may not guess without end either"


def test_an_address_that_guesses_many_names_is_slowed_down(console: Console, parts: Parts, ana: Visitor) -> None:
    for number in range(sign_in.FREE_FAILURES_OF_AN_ADDRESS + 1):
        assert enter(console.stranger(), f"user{number}").status_code == 403
    assert enter(console.stranger(), "somebody").status_code == 429


def test_a_sign_out_ends_the_session_not_only_the_cookie(console: Console, ana: Visitor) -> None:
    enter(ana)
    thief = console.stranger()
    with ana.client.session_transaction() as mine, thief.client.session_transaction() as copied:
        copied.update(mine)
    assert is_in(thief)
    ana.post("/sign-out")
    assert not is_in(ana)
    assert not is_in(thief)


def test_a_session_ends_when_idle_when_old_and_when_the_user_may_not_come_in(console: Console, parts: Parts) -> None:
    ana = console.user(Role.OWNER, "ana")
    [session] = sessions.every(parts, "ana")
    document = parts.documents.read("sessions", session.id)
    assert document is not None
    idle = timedelta(seconds=parts.settings.console_idle_seconds) // timedelta(milliseconds=1)
    whole = timedelta(seconds=parts.settings.console_session_seconds) // timedelta(milliseconds=1)
    for ended in ({"seen": document["seen"] - idle}, {"began": document["began"] - whole}):
        parts.documents.write("sessions", session.id, document | ended)
        assert not is_in(ana)
        ana = console.user(Role.OWNER, "ana")
        assert is_in(ana)
        assert len(sessions.every(parts, "ana")) == 1, "one that is over is forgotten"
        session = sessions.every(parts, "ana")[0]
    users.disable(parts, "ana")
    assert not is_in(ana)


def test_a_sign_in_leaves_nothing_of_the_session_before(ana: Visitor) -> None:
    ana._token()
    with ana.client.session_transaction() as session:
        session["left"] = "by somebody else"
    enter(ana)
    with ana.client.session_transaction() as session:
        assert set(session) == {"session"}


def test_redis_tells_nobody_how_to_become_a_user(console: Console, parts: Parts, ana: Visitor) -> None:
    enter(ana)
    with ana.client.session_transaction() as session:
        secret = session["session"]
    stored = str(parts.documents.read_all("sessions")) + str(parts.documents.read_all("users"))
    assert secret not in stored
    assert PASSWORD not in stored


def test_cookies_are_for_this_console_only(ana: Visitor) -> None:
    cookies = enter(ana).headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Path=/-/console" in cookie


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1:8080", True),
        ("localhost", True),
        ("[::1]:80", True),
        ("gift.example.com", False),
        ("10.0.0.5", False),
    ],
)
def test_other_machines_come_by_tls_alone(console: Console, host: str, loopback: bool) -> None:
    console.user()
    page = console.stranger().client.get("/sign-in", base_url=f"http://{host}/-/console")
    assert ("Secure" in page.headers["Set-Cookie"]) is not loopback
    assert ("Strict-Transport-Security" in page.headers) is not loopback
    assert ("begins with https" in page.text) is not loopback


def test_the_log_of_sign_ins_tells_who_came(parts: Parts, ana: Visitor) -> None:
    enter(ana, password="not her password")
    _forget_tries(parts)
    enter(ana, "hunter2-typed-as-name")
    enter(ana)
    ana.post("/sign-out")
    log = [(line.user, line.outcome) for line in sign_in.newest(parts, 10)]
    assert log == [
        ("ana", "signed out"),
        ("ana", "signed in"),
        ("", "wrong name, password or code"),
        ("ana", "wrong name, password or code"),
    ]


def _forget_tries(parts: Parts, *, counts: bool = True) -> int:
    """Let the time pass that a wrong try costs; return how many seconds the longest of them was."""

    def ends(client: object) -> list[tuple[str, int]]:
        names = list(client.scan_iter("gb:note:sign-in*"))  # type: ignore[attr-defined]
        return [(name, client.pttl(name)) for name in names]  # type: ignore[attr-defined]

    longest = 0
    for name, left in parts.connection.call(ends):
        if "failures" not in name:
            longest = max(longest, -(-left // 1000))
        if counts or "failures" not in name:
            parts.documents.forget(name.removeprefix("gb:note:"))
    return longest


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browsing: Browsing, scheme: Literal["light", "dark"]) -> None:
    parts, page = browsing.site.installation.parts, browsing.page
    secret = users.add(parts, f"ana-{scheme}", Role.VIEWER)
    page.emulate_media(color_scheme=scheme)
    for path in ("/sign-in", f"/invitation/ana-{scheme}/{secret}", f"/invitation/ana-{scheme}/over", "/nowhere"):
        browsing.open(path)
        browsing.check_page()
