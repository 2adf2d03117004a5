"""`report`: the accountant reads what was taken, given back and held."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.commands.conftest import Installation


def test_it_says_what_was_done_today_by_provider(installation: Installation) -> None:
    installation.pay("60.00", "order-1", settled="40.00")
    installation.pay("10.00", "order-2", provider="vouch", code="VAUCHAR-ACTIVE-100")
    acme, vouch = installation.json("report")
    assert (acme["provider"], acme["currency"], acme["authorized"]) == ("acme", "BRL", Decimal("60.00"))
    assert (acme["settled"], acme["held"], acme["acts"]["settled"]) == (Decimal("40.00"), Decimal("20.00"), 1)
    assert (vouch["authorized"], vouch["held"]) == (Decimal("10.00"), Decimal("10.00"))
    assert [row["provider"] for row in installation.json("report", "--provider", "vouch")] == ["vouch"]


def test_csv_has_a_line_for_each_day_and_provider(installation: Installation) -> None:
    installation.pay("60.00", settled="40.00")
    (row,) = csv.DictReader(installation.run("report", "--csv").stdout.splitlines())
    assert row == {
        "day": datetime.now(UTC).date().isoformat(),
        "provider": "acme",
        "currency": "BRL",
        "authorized": "60.00",
        "settled": "40.00",
        "voided": "0.00",
        "refunded": "0.00",
        "credited": "0.00",
        "taken_back": "0.00",
        "held": "20.00",
    }


def test_only_the_days_that_were_asked_for_are_told(installation: Installation) -> None:
    installation.pay()
    today = datetime.now(UTC).date()
    tomorrow, before = today + timedelta(days=1), today - timedelta(days=3)
    assert "Nothing was done" in installation.run("report", "--to", str(before)).output
    assert "acme" in installation.run("report", "--from", str(before), "--to", str(tomorrow)).output


def test_days_in_the_wrong_order_are_refused(installation: Installation) -> None:
    result = installation.run("report", "--from", "2030-02-01", "--to", "2030-01-01")
    assert result.exit_code == 2
    assert "--from must not be after --to" in result.output
