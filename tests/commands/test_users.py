"""`giftbridge users`: who may use the console."""

from __future__ import annotations

import pytest

from app.admin.people import sessions, sign_in, users
from app.admin.people.sign_in import SignedIn, Visitor

from .conftest import Installation

PASSWORD = "four words for nobody"


def add(installation: Installation, name: str = "ana", role: str = "owner", *options: str) -> str:
    """Make a user; return the secret in the link."""
    link: str = installation.json("users", "add", name, "--role", role, *options)["link"]
    return link.rpartition("/")[2]


def enter(installation: Installation, secret: str) -> None:
    users.accept(installation.parts, "ana", secret, PASSWORD)
    assert isinstance(sign_in.sign_in(installation.parts, "ana", PASSWORD, "", Visitor("192.0.2.1", "")), SignedIn)


def test_a_link_is_printed_once_and_kept_nowhere(installation: Installation) -> None:
    made = installation.run("users", "add", "ana", "--role", "viewer", "--url", "https://gift.example.com/")
    assert made.stdout.startswith("https://gift.example.com/-/console/invitation/ana/")
    secret = made.stdout.strip().rpartition("/")[2]
    assert secret not in str(installation.parts.documents.read_all("users"))
    listed = installation.run("users", "list").stdout
    assert "waits for its link" in listed
    assert secret not in listed


def test_without_a_user_the_list_says_how_to_make_one(installation: Installation) -> None:
    assert "giftbridge users add NAME --role owner" in installation.run("users", "list").stdout


@pytest.mark.parametrize("name", ["Ana", "a b", "-ana", "", "a" * 65, "ana/x"])
def test_a_name_that_does_not_fit_an_address_is_refused(installation: Installation, name: str) -> None:
    refused = installation.run("users", "add", "--role", "viewer", "--", name)
    assert (refused.exit_code, "is no name for a user" in refused.output) == (1, True)


def test_a_user_is_made_once(installation: Installation) -> None:
    add(installation)
    again = installation.run("users", "add", "ana", "--role", "viewer")
    assert (again.exit_code, "giftbridge users reset ana" in again.output) == (1, True)


def test_a_role_changes_but_an_owner_stays(installation: Installation) -> None:
    add(installation)
    last = installation.run("users", "role", "ana", "--role", "viewer")
    assert (last.exit_code, "ana is the only owner" in last.output) == (1, True)
    add(installation, "rui", "viewer")
    assert installation.run("users", "role", "rui", "--role", "owner").exit_code == 0
    assert installation.run("users", "role", "ana", "--role", "viewer").exit_code == 0
    assert {user["name"]: user["role"] for user in installation.json("users", "list")["users"]} == {
        "ana": "viewer",
        "rui": "owner",
    }


@pytest.mark.parametrize("command", ["reset", "disable", "revoke"])
def test_these_end_the_sessions_of_a_user(installation: Installation, command: str) -> None:
    enter(installation, add(installation))
    assert installation.json("users", "list")["sessions"] == {"ana": 1}
    assert installation.run("users", command, "ana").exit_code == 0
    assert sessions.every(installation.parts, "ana") == []


def test_a_reset_takes_the_password_away_and_a_disabled_user_keeps_it(installation: Installation) -> None:
    enter(installation, add(installation))
    installation.run("users", "disable", "ana")
    installation.run("users", "enable", "ana")
    [user] = users.every(installation.parts)
    assert (user.disabled, user.has_password) == (False, True)
    installation.run("users", "reset", "ana")
    [user] = users.every(installation.parts)
    assert not user.has_password


def test_an_unknown_user_is_told_with_those_that_are_known(installation: Installation) -> None:
    add(installation)
    missing = installation.run("users", "reset", "bob")
    assert (missing.exit_code, "there is no user bob; there are: ana" in missing.output) == (1, True)
