"""The list of what people changed by hand."""

from __future__ import annotations

import pytest

from app.admin import activity
from app.admin.people.users import Role

from .browser import LOOKS, Browsing
from .conftest import Console


def test_it_tells_who_did_what_the_newest_first(console: Console) -> None:
    parts = console.installation.parts
    transaction = console.installation.pay()
    activity.note(parts, "ana", "add user", "rui", role="viewer")
    activity.note(parts, "rui", "settle", transaction, amount="20.00 BRL")
    text = console.user(Role.VIEWER).get("/activity").text
    assert text.index("20.00 BRL") < text.index("add user")
    assert f"/transactions/{transaction}" in text


def test_a_long_list_has_pages(console: Console) -> None:
    for number in range(60):
        activity.note(console.installation.parts, "ana", "add user", f"user-{number:02}")
    visitor = console.user(Role.VIEWER)
    first, second = visitor.get("/activity").text, visitor.get("/activity", skip=50).text
    assert "user-59" in first
    assert "user-09" not in first
    assert "user-09" in second
    assert "skip=50" in first


@pytest.mark.parametrize("skip", ["-1", "x", "9" * 30])
def test_a_place_that_makes_no_sense_does_no_harm(console: Console, skip: str) -> None:
    assert console.user(Role.VIEWER).get("/activity", skip=skip).status_code == 200


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    activity.note(browsing.site.installation.parts, "ana", "add user", "rui", role="viewer")
    browsing.sign_in(language=language, theme=theme)
    browsing.open("/activity")
    browsing.check_page()
    browsing.picture("activity")
