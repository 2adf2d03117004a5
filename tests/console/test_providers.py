"""Providers at the console: what they can do, which keys stores use, the checks, and what an owner changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from app.admin import activity
from app.admin.people.users import Role
from app.admin.providers import registration
from app.admin.providers.plans import RegistrationFailed
from app.admin.providers.provider_file import ProviderFile
from app.console import create_console
from app.parts import build
from mappers.sandbox import Sandbox
from providers.hub import sandbox as hub_sandbox
from providers.hub.sandbox_model import Account
from providers.watch import ProvidersFile
from tests.admin.conftest import FIRST, IMPATIENT, Service, account, file, hub_server, service  # noqa: F401 - fixtures
from tests.app.commands import wait_for
from tests.commands.conftest import BACKEND_KEY
from tests.patience import patient

from .browser import LOOKS, Browsing
from .conftest import Console, Visitor

KEYS = {"VTEX_APP_KEY": hub_sandbox.APP_KEY, "VTEX_APP_TOKEN": hub_sandbox.APP_TOKEN}


@dataclass
class Shop:
    """A console beside a running service and a store's Hub."""

    console: Console
    service: Service
    account: Account
    owner: Visitor

    def accepted(self) -> list[str]:
        return [pair.app_key for pair in self.service.file.installed("acme")]

    def last(self) -> activity.Entry:
        (entry,) = activity.newest(self.console.installation.parts, 1)
        return entry


@pytest.fixture
def shop(
    service: Service,  # noqa: F811 - a fixture
    hub_server: Sandbox,  # noqa: F811 - a fixture
    account: Account,  # noqa: F811 - a fixture
    empty_redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    monkeypatch.setenv("GIFTBRIDGE_HUB_URL", f"{hub_server.url}/{{account}}")
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(registration, "Patience", lambda: IMPATIENT)
    settings = patient(providers=service.file.path)
    parts = build(settings, ProvidersFile(service.file.path), empty_redis_url)
    installation: Any = SimpleNamespace(parts=parts)
    console = Console(installation, create_console(parts))
    yield Shop(console, service, account, console.user(Role.OWNER))
    parts.connection.close()


def agreed(page: str) -> str:
    """Return what stands for the plan that a page shows."""
    found = re.search(r'name="plan" value="([0-9a-f]+)"', page)
    assert found is not None, page
    return found[1]


def carried_out(shop: Shop, what: str, **form: str) -> str:
    """Look at the plan, agree to it, and wait for its end; return the last page."""
    address = f"/providers/acme/{what}"
    form = {"account": "store", **KEYS, **form}
    plan = agreed(shop.owner.post(address, **form).text)
    begun = shop.owner.post(address, **form, confirmed="yes", plan=plan)
    assert begun.status_code == 303
    place = begun.headers["Location"].removeprefix("/-/console")
    wait_for(lambda: "every 1s" not in shop.owner.get(place).text)
    return shop.owner.get(place).text


# What there is.


def test_the_list_tells_what_each_provider_is(console: Console) -> None:
    page = console.user(Role.VIEWER).get("/providers").text
    for text in (
        "Acme gift cards",
        "lightrail_v2",
        "reserved at the backend",
        "https://gift.example.com/acme",
        "vouch",
    ):
        assert text in page


def test_a_provider_tells_what_its_backend_can_do_and_no_secret(console: Console) -> None:
    page = console.user(Role.OWNER).get("/providers/acme").text
    assert "lists what happened, so that it can be compared" in page
    assert "options.base_url" in page
    assert console.installation.backend.url in page
    assert "first-key" in page
    assert "policy.authorization_ttl" in page
    assert BACKEND_KEY not in page
    assert "first-token" not in page


def test_one_that_is_not_there_is_not_found(console: Console) -> None:
    owner = console.user(Role.OWNER)
    assert owner.get("/providers/nobody").status_code == 404
    assert owner.get("/providers/acme/keys/nobody/revoke").status_code == 404


def test_a_file_that_cannot_be_read_is_told(console: Console) -> None:
    console.installation.file.unlink()
    for path in ("/providers", "/providers/acme"):
        assert "there is no file" in console.user(Role.OWNER).get(path).text


@pytest.mark.parametrize(("role", "offered"), [(Role.VIEWER, ()), (Role.OPERATOR, ("Run the checks",))])
def test_nobody_is_offered_what_they_may_not_do(console: Console, role: Role, offered: tuple[str, ...]) -> None:
    page = console.user(role).get("/providers/acme").text
    assert {text for text in ("Run the checks", "Register a store", "Add a key", "Revoke") if text in page} == {
        *offered
    }


# Checks.


def test_the_checks_tell_what_is_wrong_and_what_to_do(shop: Shop) -> None:
    page = shop.console.user(Role.OPERATOR).post("/providers/acme/check").text
    assert "Nothing is wrong." in page
    shop.service.file.set_service_url("acme", f"{shop.service.url}/nobody/acme")
    page = shop.console.user(Role.OPERATOR).post("/providers/acme/check").text
    assert "found something wrong" in page


def test_a_token_that_is_typed_is_tried_and_shown_nowhere(shop: Shop) -> None:
    pair = shop.service.file.add_credentials("acme")
    operator = shop.console.user(Role.OPERATOR)
    wrong = operator.post("/providers/acme/check", app_token="of nobody")
    assert wrong.status_code == 422
    assert "not the token of any pair" in wrong.text
    assert "of nobody" not in wrong.text
    wait_for(lambda: operator.post("/providers/acme/check", app_token=pair.app_token).status_code == 200)
    page = operator.post("/providers/acme/check", app_token=pair.app_token).text
    assert "finds nothing" in page
    assert pair.app_token not in page


# Keys.


def test_a_new_key_is_shown_once(shop: Shop) -> None:
    page = shop.owner.post("/providers/acme/rotate", confirmed="yes").text
    (added,) = {*shop.accepted()} - {FIRST.app_key}
    token = re.search(r'name="app_token"[^>]*value="([^"]+)"', page)
    assert token is not None
    again = [shop.owner.get(path).text for path in ("/providers/acme", "/providers/acme/rotate", "/activity")]
    assert not [text for text in again if token[1] in text]
    assert token[1] not in shop.service.file.path.read_text()
    assert (shop.last().what, shop.last().about, shop.last().details) == ("add key", "acme", {"key": added})


def test_a_key_is_revoked_and_the_last_one_stays(shop: Shop) -> None:
    added = shop.service.file.add_credentials("acme").app_key
    assert "No store that is known uses it" in shop.owner.get(f"/providers/acme/keys/{added}/revoke").text
    assert shop.owner.post(f"/providers/acme/keys/{added}/revoke", confirmed="yes").status_code == 303
    assert shop.accepted() == [FIRST.app_key]
    assert (shop.last().what, shop.last().details) == ("revoke key", {"key": added, "stores": "-"})
    shop.owner.post(f"/providers/acme/keys/{FIRST.app_key}/revoke", confirmed="yes")
    assert shop.accepted() == [FIRST.app_key]
    assert "is the only pair" in shop.owner.get("/providers/acme").text


def test_a_key_that_a_store_uses_goes_only_when_somebody_means_it(shop: Shop) -> None:
    carried_out(shop, "register")
    (used,) = {*shop.accepted()} - {FIRST.app_key}
    address = f"/providers/acme/keys/{used}/revoke"
    assert "store use it" in shop.owner.get(address).text
    assert shop.owner.post(address, confirmed="yes").status_code == 422
    assert used in shop.accepted()
    assert shop.owner.post(address, confirmed="yes", even_if_used="yes").status_code == 303
    assert used not in shop.accepted()


# Stores.


def test_a_store_is_registered_once_the_plan_was_agreed_to(shop: Shop) -> None:
    before = shop.service.file.path.read_bytes()
    plan = shop.owner.post("/providers/acme/register", account="store", **KEYS).text
    assert "serviceUrl" in plan
    assert f"{shop.service.url}/acme" in plan
    assert shop.service.file.path.read_bytes() == before
    assert "acme" not in shop.account.registered
    end = carried_out(shop, "register")
    assert "It is done" in end
    (used,) = {*shop.accepted()} - {FIRST.app_key}
    assert shop.account.registered["acme"]["appKey"] == used
    page = shop.owner.get("/providers/acme").text
    assert used in page
    assert "account=store" in page
    details = {"store": "store", "before": "-", "after": f"{shop.service.url}/acme, {used}"}
    assert (shop.last().who, shop.last().what, shop.last().details) == ("owner", "register", details)
    for text in (plan, end, page, shop.owner.get("/activity").text):
        assert shop.account.registered["acme"]["appToken"] not in text
        assert hub_sandbox.APP_TOKEN not in text


def test_a_plan_that_is_not_what_was_agreed_to_is_shown_again(shop: Shop) -> None:
    form = {"account": "store", **KEYS}
    plan = agreed(shop.owner.post("/providers/acme/register", **form).text)
    carried_out(shop, "register")
    again = shop.owner.post("/providers/acme/register", **form, confirmed="yes", plan=plan)
    assert again.status_code == 200
    assert "has changed meanwhile" in again.text
    assert len(shop.accepted()) == 2


def test_a_store_is_unregistered(shop: Shop) -> None:
    carried_out(shop, "register")
    assert "only by hand here" in shop.owner.post("/providers/acme/unregister", account="store", **KEYS).text
    carried_out(shop, "unregister")
    assert "acme" not in shop.account.registered
    assert (shop.last().what, shop.last().details["after"]) == ("unregister", "-")
    assert shop.owner.post("/providers/acme/unregister", account="store", **KEYS).status_code == 303
    assert "is not registered with store" in shop.owner.get("/providers/acme").text


def test_keys_of_the_environment_are_used_where_none_are_typed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = shop.owner.post("/providers/acme/register", account="store")
    assert missing.status_code == 422
    assert "VTEX_APP_KEY is not set" in missing.text
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    assert agreed(shop.owner.post("/providers/acme/register", account="store").text)
    assert "has one in its environment" in shop.owner.get("/providers/acme/register").text
    wrong = shop.owner.post("/providers/acme/register", account="store", VTEX_APP_KEY="other", VTEX_APP_TOKEN="wrong")
    assert wrong.status_code == 422


def test_a_service_that_does_not_accept_the_new_key_is_told_and_nothing_is_registered(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RegistrationFailed("the service does not accept it")

    monkeypatch.setattr(registration, "wait_until_accepted", refuse)
    assert "the service does not accept it" in carried_out(shop, "register")
    assert shop.accepted() == [FIRST.app_key]
    assert "acme" not in shop.account.registered
    assert activity.newest(shop.console.installation.parts, 1) == []


def test_how_it_ended_is_not_known_of_work_whose_process_has_died(shop: Shop) -> None:
    page = shop.owner.get("/providers/acme/work/0123456789abcdef").text
    assert "Nobody knows how it ended" in page


def test_where_the_file_cannot_be_written_the_command_is_shown(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProviderFile, "is_writable", lambda _: False)
    page = shop.owner.get("/providers/acme").text
    assert "giftbridge providers rotate acme" in page
    assert "Add a key" not in page


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    browsing.sign_in(language=language, theme=theme)
    for path in ("", "/acme", "/acme/register", "/acme/rotate", "/acme/keys/first-key/revoke"):
        browsing.open(f"/providers{path}")
        browsing.check_page()
        browsing.picture(f"providers{path.replace('/', '-')}")
