"""What users change of their own account."""

from __future__ import annotations

import re

import pyotp
import pytest

from app.admin.people import passwords, sessions, users
from app.admin.people.users import Role

from .browser import LOOKS, Browsing
from .conftest import PASSWORD, Console, Visitor

NEW = "other words for nobody"


@pytest.fixture
def ana(console: Console) -> Visitor:
    """A viewer who has chosen a password."""
    parts = console.installation.parts
    users.accept(parts, "ana", users.add(parts, "ana", Role.VIEWER), PASSWORD)
    return console.user(Role.VIEWER, "ana")


def test_the_language_the_colors_and_the_time_zone_are_kept(ana: Visitor) -> None:
    assert ana.post("/account/look", language="es", theme="dark", zone="America/Sao_Paulo").status_code == 303
    text = ana.get("/account").text
    assert '<html lang="es" data-theme="dark">' in text
    assert 'value="America/Sao_Paulo"' in text


def test_a_time_zone_that_nobody_knows_is_explained(ana: Visitor) -> None:
    refused = ana.post("/account/look", zone="Atlantis/Poseidonis")
    assert (refused.status_code, "There is no such time zone" in refused.text) == (422, True)


def test_a_new_password_ends_the_other_sessions(console: Console, ana: Visitor) -> None:
    elsewhere = console.user(Role.VIEWER, "ana")
    assert ana.post("/account/password", old=PASSWORD, password=NEW).status_code == 303
    assert (ana.get("/").status_code, elsewhere.get("/").status_code) == (200, 303)
    document = console.installation.parts.documents.read(users.USERS, "ana")
    assert document is not None
    assert passwords.proves(NEW, document["password"])


@pytest.mark.parametrize(("old", "new"), [("wrong words for nobody", NEW), (PASSWORD, "short")])
def test_without_the_old_or_with_a_weak_one_the_password_stays(
    console: Console, ana: Visitor, old: str, new: str
) -> None:
    assert ana.post("/account/password", old=old, password=new).status_code == 422
    document = console.installation.parts.documents.read(users.USERS, "ana")
    assert document is not None
    assert passwords.proves(PASSWORD, document["password"])


def test_codes_are_asked_for_once_one_was_right_and_the_password_was(console: Console, ana: Visitor) -> None:
    found = re.search(r'name="secret"[^>]*value="([A-Z2-7]{32})"', ana.get("/account").text)
    assert found is not None
    code = pyotp.TOTP(found[1]).now()
    wrong = {"000000", "111111"} - {code}
    assert ana.post("/account/codes", secret=found[1], code=wrong.pop(), old=PASSWORD).status_code == 422
    assert ana.post("/account/codes", secret=found[1], code=code, old="wrong").status_code == 422
    assert not has_codes(console)


@pytest.mark.parametrize("secret", ["", "AAAA", "not base 32 !"])
def test_a_key_that_is_none_is_refused(console: Console, ana: Visitor, secret: str) -> None:
    assert ana.post("/account/codes", secret=secret, code="000000", old=PASSWORD).status_code == 422
    assert not has_codes(console)


def test_codes_are_asked_for_and_no_more(console: Console, ana: Visitor) -> None:
    secret = users.new_totp()
    assert ana.post("/account/codes", secret=secret, code=pyotp.TOTP(secret).now(), old=PASSWORD).status_code == 303
    assert has_codes(console)
    assert ana.post("/account/no-codes", old=PASSWORD).status_code == 303
    assert not has_codes(console)


def test_all_other_sessions_can_be_ended(console: Console, ana: Visitor) -> None:
    console.user(Role.VIEWER, "ana")
    ana.post("/account/end-sessions")
    assert len(sessions.every(console.installation.parts, "ana")) == 1
    assert ana.get("/").status_code == 200


def has_codes(console: Console) -> bool:
    found = users.get(console.installation.parts, "ana")
    return found is not None and found.has_totp


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    browsing.sign_in(language=language, theme=theme)
    browsing.open("/account")
    browsing.check_page()
    browsing.picture("account")
