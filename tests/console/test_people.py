"""Owners say who may come in."""

from __future__ import annotations

import re

import pytest

from app.admin import activity
from app.admin.people import sessions, users
from app.admin.people.users import Role

from .browser import LOOKS, Browsing
from .conftest import PASSWORD, Console


def test_a_new_user_chooses_a_password_with_the_link(console: Console) -> None:
    made = console.user(Role.OWNER).post("/people", name="Ana", role="operator")
    link = re.search(r'value="http://localhost(?:/-/console)?(/invitation/ana/[^"]+)"', made.text)
    assert link is not None, made.text
    accepted = console.stranger().post(link[1], password=PASSWORD)
    assert accepted.status_code == 303
    found = users.get(console.installation.parts, "ana")
    assert found is not None
    assert (found.role, found.has_password) == (Role.OPERATOR, True)


def test_the_link_is_one_of_https_behind_a_proxy_that_ends_tls(console: Console) -> None:
    owner = console.user(Role.OWNER)
    with owner.client.session_transaction(base_url="https://gift.example.com") as session:
        session["session"] = sessions.begin(console.installation.parts, "owner", "127.0.0.1", "a test")
        session["csrf_token"] = "of-this-test"
    form = {"csrf_token": owner._token(), "name": "ana", "role": "viewer"}
    made = owner.client.post("/people", data=form, environ_overrides={"HTTP_HOST": "gift.example.com"})
    assert re.search(r'value="https://gift\.example\.com(?:/-/console)?/invitation/ana/', made.text), made.text


@pytest.mark.parametrize(("name", "status"), [("", 422), ("Ana Maria", 422), ("../x", 422), ("owner", 422)])
def test_a_name_that_cannot_be_is_explained(console: Console, name: str, status: int) -> None:
    assert console.user(Role.OWNER).post("/people", name=name, role="viewer").status_code == status
    assert [user.name for user in users.every(console.installation.parts)] == ["owner"]


def test_a_role_counts_from_the_next_request_on(console: Console) -> None:
    owner, rui = console.user(Role.OWNER), console.user(Role.VIEWER, "rui")
    assert rui.get("/people").status_code == 403
    owner.post("/people/rui/role", role="owner")
    assert rui.get("/people").status_code == 200


def test_the_only_owner_stays_one(console: Console) -> None:
    owner = console.user(Role.OWNER)
    owner.post("/people/owner/role", role="viewer")
    owner.post("/people/owner/disable")
    found = users.get(console.installation.parts, "owner")
    assert found is not None
    assert (found.role, found.disabled) == (Role.OWNER, False)


def test_who_is_kept_out_is_out_at_once_and_may_be_let_in_again(console: Console) -> None:
    owner, rui = console.user(Role.OWNER), console.user(Role.VIEWER, "rui")
    owner.post("/people/rui/disable")
    assert rui.get("/").status_code == 303
    owner.post("/people/rui/enable")
    assert console.user(Role.VIEWER, "rui").get("/").status_code == 200


def test_an_owner_who_may_not_come_in_is_no_other_owner(console: Console) -> None:
    owner, parts = console.user(Role.OWNER), console.installation.parts
    users.add(parts, "ana", Role.OWNER)
    users.disable(parts, "ana")
    owner.post("/people/owner/role", role="viewer")
    assert [user.role for user in users.every(parts)] == [Role.OWNER, Role.OWNER]


def test_a_new_link_takes_the_password_away(console: Console) -> None:
    parts = console.installation.parts
    secret = users.add(parts, "rui", Role.VIEWER)
    users.accept(parts, "rui", secret, PASSWORD)
    assert "/invitation/rui/" in console.user(Role.OWNER).post("/people/rui/reset").text
    found = users.get(parts, "rui")
    assert found is not None
    assert not found.has_password


def test_all_sessions_of_somebody_can_be_ended(console: Console) -> None:
    owner, rui = console.user(Role.OWNER), console.user(Role.VIEWER, "rui")
    owner.post("/people/rui/end-sessions")
    assert sessions.every(console.installation.parts, "rui") == []
    assert rui.get("/").status_code == 303


def test_what_an_owner_changes_is_written_down_and_no_link(console: Console) -> None:
    owner = console.user(Role.OWNER)
    owner.post("/people", name="rui", role="viewer")
    owner.post("/people/rui/role", role="operator")
    changed, added = activity.newest(console.installation.parts, 2)
    assert (added.who, added.what, added.about, added.details) == ("owner", "add user", "rui", {"role": "viewer"})
    assert (changed.what, changed.details) == ("change role", {"before": "viewer", "after": "operator"})


def test_a_user_that_is_not_there_is_not_found(console: Console) -> None:
    assert console.user(Role.OWNER).get("/people/nobody").status_code == 404


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    browsing.sign_in(language=language, theme=theme)
    browsing.open("/people")
    browsing.check_page()
    browsing.picture("people")
    browsing.page.locator("table a").first.click()
    browsing.page.wait_for_url("**/people/*")
    browsing.check_page()
