"""Who may ask for what: a role for every view, nothing for who has none, and headers that keep a page to itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import redis
from werkzeug.routing import Rule

from app.admin.people.users import Role
from app.console import create_console, guard, pages
from app.console.guard import allowed, declared, says_it_changes_nothing
from app.parts import build

from .browser import DOCUMENT
from .conftest import Console, Visitor

CHANGING = {"POST", "PUT", "PATCH", "DELETE"}

# What every user may change: nothing but their own account and session.
OWN = {
    "sign_in.leave",
    "account.look",
    "account.password",
    "account.codes",
    "account.no_codes",
    "account.end_sessions",
}


def rules(console: Console) -> Iterator[tuple[Rule, str]]:
    for rule in console.app.url_map.iter_rules():
        for method in sorted(rule.methods or ()):
            yield rule, method


def address(rule: Rule, transaction: str) -> str:
    """Return an address that fits a rule, of a transaction that exists wherever one can stand."""
    values = {"filename": "console.css", "name": "ana", "provider": "acme"}
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values.get(found[1], transaction), rule.rule)


def test_every_view_declares_who_may_use_it(console: Console) -> None:
    for rule, _method in rules(console):
        assert declared(console.app, rule.endpoint) is not None, f"{rule.endpoint}: add @allowed(Role...) or @public"


def test_a_view_that_declares_nothing_is_closed_to_all(console: Console) -> None:
    app = create_console(console.installation.parts)
    app.add_url_rule("/forgotten", "forgotten", lambda: "seen")
    assert Console(console.installation, app).user(Role.OWNER).get("/forgotten").status_code == 403


def test_a_role_may_do_what_the_ones_before_it_may() -> None:
    order = [Role.VIEWER, Role.OPERATOR, Role.OWNER]
    for number, role in enumerate(order):
        assert [role.includes(other) for other in order] == [place <= number for place in range(3)]


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.OPERATOR])
def test_nobody_reaches_what_their_role_does_not_allow(console: Console, role: Role | None) -> None:
    transaction = console.installation.pay()
    console.user(Role.OWNER)
    before = ledger(console)
    for rule, method in rules(console):
        needed = declared(console.app, rule.endpoint)
        if not isinstance(needed, Role) or rule.endpoint in OWN or (role is not None and role.includes(needed)):
            continue
        visitor = console.user(role) if role else console.stranger()
        answer = ask(visitor, method, address(rule, transaction))
        assert answer == (403 if role else 303), f"{method} {rule.rule}"
    assert ledger(console) == before


def test_a_viewer_moves_no_money_by_any_request(console: Console) -> None:
    transaction = console.installation.pay(settled="20.00")
    before = ledger(console)
    for rule, method in rules(console):
        if rule.endpoint not in OWN:
            ask(console.user(Role.VIEWER), method, address(rule, transaction))
    assert ledger(console) == before


def test_every_view_that_changes_something_needs_more_than_a_viewer(console: Console) -> None:
    for rule, method in rules(console):
        role = declared(console.app, rule.endpoint)
        if method in CHANGING and isinstance(role, Role) and rule.endpoint not in OWN:
            harmless = says_it_changes_nothing(console.app, rule.endpoint)
            assert role is not Role.VIEWER or harmless, f"{method} {rule.rule}: say @changes_nothing, if that is so"


def ask(visitor: Visitor, method: str, path: str) -> int:
    form = {"csrf_token": visitor._token(), "confirmed": "yes", "request_id": "by-a-viewer", "amount": "1.00"}
    with visitor.client.open(path, method=method, data=form) as answer:
        return answer.status_code


def ledger(console: Console) -> dict[str, object]:
    """Everything the ledger has in Redis; documents hold no money."""
    with redis.Redis.from_url(console.installation.environment["GIFTBRIDGE_REDIS_URL"]) as client:
        names = [name for name in client.scan_iter("gb:{*") if client.type(name) != b"none"]
        return {name: client.dump(name) for name in names}


def test_a_form_without_its_token_does_nothing(console: Console) -> None:
    owner = console.user(Role.OWNER)
    page = owner.client.post("/sign-out")
    assert (page.status_code, "This form is too old" in page.text) == (400, True)
    assert owner.get("/").status_code == 200


def test_who_is_not_signed_in_is_led_to_the_sign_in_and_back(console: Console) -> None:
    console.user()
    page = console.stranger().get("/checks", x="1")
    assert (page.status_code, page.headers["Location"]) == (303, "/-/console/sign-in?next=/-/console/checks?x%3D1")


def test_a_form_that_comes_after_the_session_is_over_says_that_nothing_was_done(console: Console) -> None:
    visitor = console.user(Role.OWNER)
    token = visitor._token()
    console.installation.parts.documents.remove("sessions", only(console))
    sent = visitor.client.post("/sign-out", data={"csrf_token": token})
    assert sent.status_code == 303
    assert "Nothing was done: sign in and do it again." in visitor.client.get(sent.headers["Location"][10:]).text


def only(console: Console) -> str:
    [name] = console.installation.parts.documents.read_all("sessions")
    return name


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nothing", "/static/console.css"])
def test_a_page_loads_nothing_from_elsewhere_and_is_kept_nowhere(console: Console, path: str) -> None:
    with console.user().get(path) as page:
        assert page.data
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == ("public, max-age=31536000, immutable" if "static" in path else "no-store")
    assert "Strict-Transport-Security" not in page.headers


def test_without_redis_every_page_says_what_to_do(console: Console) -> None:
    settings = console.installation.parts.settings
    parts = build(settings, console.installation.parts.registry, "redis://127.0.0.1:1")
    lost = Console(console.installation, create_console(parts))
    for path in ("/", "/sign-in", "/transactions"):
        page = lost.stranger().get(path)
        assert (page.status_code, "Redis cannot be reached" in page.text) == (503, True), path
    parts.connection.close()


def test_the_key_that_signs_cookies_is_one_for_all_processes(console: Console) -> None:
    console.user()
    other = create_console(console.installation.parts)
    other.test_client().get("/sign-in")
    assert other.secret_key == console.app.secret_key


def test_templates_know_what_who_reads_may_do(console: Console) -> None:
    assert "Check everything" in console.user(Role.OPERATOR).get("/").text
    assert "Check everything" not in console.user(Role.VIEWER).get("/").text


def test_every_page_of_the_navigation_is_shown_in_the_documents(console: Console) -> None:
    shown = re.findall(r"static/console/([\w-]+)\.png", DOCUMENT)
    for page in pages.every():
        if page.shown:
            assert [one for one in shown if one.startswith(page.name.replace("_", "-").removesuffix("s"))], page.name


def test_declarations_are_found_on_views() -> None:
    @allowed(Role.OWNER)
    def view() -> str:
        return ""

    assert getattr(view, guard._DECLARED) is Role.OWNER
