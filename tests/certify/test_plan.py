"""The plan as people and scripts read it is what the checks say."""

from __future__ import annotations

import csv
import io
import re

import pytest

from providers.certify.check import CHAPTERS, Severity
from providers.certify.plan import HEAD, PLAN, as_csv, selected
from tests.docs.documents import ROOT


def test_every_check_has_a_number_of_its_own_in_its_chapter() -> None:
    numbers = [check.number for check in PLAN]
    assert len(numbers) == len(set(numbers))
    assert all(re.fullmatch(rf"({'|'.join(CHAPTERS)})-[1-9]\d*", number) for number in numbers)


@pytest.mark.parametrize("check", PLAN, ids=lambda check: check.number)
def test_a_check_says_what_it_asks_and_what_happens_otherwise(check: object) -> None:
    for text in (check.asks, check.consequence):  # type: ignore[attr-defined]
        assert re.fullmatch(r"[A-Z/].{10,200}\.", text), text
        assert "|" not in text


def test_the_csv_in_the_documents_is_what_the_checks_say() -> None:
    assert (ROOT / "docs/certify.csv").read_text() == as_csv(), "run `make tables`"
    rows = list(csv.reader(io.StringIO(as_csv())))
    assert tuple(rows[0]) == HEAD
    assert [row[0] for row in rows[1:]] == [check.number for check in PLAN]


def test_checks_are_chosen_by_number_and_by_chapter() -> None:
    chosen = [check.number for check in selected(["READ-3", " auth "])]
    assert chosen == [check.number for check in PLAN if check.number.startswith("AUTH-")] + ["READ-3"]
    with pytest.raises(LookupError, match="MONY"):
        selected(["MONY"])


def test_severities_are_in_the_order_of_what_they_cost() -> None:
    assert Severity.MONEY.at_least(Severity.COSMETIC)
    assert Severity.ORDERS.at_least(Severity.ORDERS)
    assert not Severity.CHECKOUT.at_least(Severity.ORDERS)
