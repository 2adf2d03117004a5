"""The overview."""

from __future__ import annotations

import pytest

from app.admin.people.users import Role

from .browser import LOOKS, Browsing
from .conftest import Console


def test_a_quiet_installation_needs_nobody(console: Console) -> None:
    page = console.user(Role.VIEWER).get("/")
    assert page.status_code == 200
    assert "Orders that wait for a person" in page.text


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    browsing.sign_in(language=language, theme=theme)
    browsing.open("/")
    browsing.check_page()
    browsing.picture("overview")
