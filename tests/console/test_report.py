"""The report for the accountant."""

from __future__ import annotations

import csv
import io

import pytest

from app.admin import totals
from app.admin.people.users import Role

from .browser import LOOKS, Browsing
from .conftest import Console


def test_it_tells_what_was_taken_and_what_is_held(console: Console) -> None:
    console.installation.pay(settled="20.00")
    page = console.user(Role.VIEWER).get("/report")
    assert page.status_code == 200
    assert all(amount in page.text for amount in ("R$60.00", "R$20.00", "R$40.00"))


def test_its_file_agrees_with_the_totals(console: Console) -> None:
    console.installation.pay(settled="20.00")
    answer = console.user(Role.VIEWER).get("/report.csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    today = console.installation.parts.totals.today()
    (total,) = totals.of(console.installation.parts, today, today)
    assert row == {name: str(getattr(total, name)) for name in row}
    assert 'filename="giftbridge-' in answer.headers["Content-Disposition"]


def test_it_keeps_to_the_days_and_the_provider_that_are_asked_for(console: Console) -> None:
    console.installation.pay()
    visitor = console.user(Role.VIEWER)
    assert "R$60.00" not in visitor.get("/report", to="2001-01-31", **{"from": "2001-01-01"}).text
    assert "R$60.00" not in visitor.get("/report", provider="vouch").text
    assert "R$60.00" in visitor.get("/report", provider="acme").text


@pytest.mark.parametrize(
    "query", [{"from": "yesterday"}, {"to": "0001-01-01"}, {"from": "2030-01-02", "to": "2030-01-01"}]
)
def test_days_that_make_no_sense_are_explained(console: Console, query: dict[str, str]) -> None:
    visitor = console.user(Role.VIEWER)
    assert visitor.get("/report", **query).status_code == 422
    assert visitor.get("/report.csv", **query).status_code == 422


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    browsing.site.installation.pay(settled="20.00")
    browsing.sign_in(language=language, theme=theme)
    browsing.open("/report")
    browsing.check_page()
    browsing.picture("report")
