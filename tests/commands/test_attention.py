"""`giftbridge attention` lists what waits for a person, so that a script notices, and the doctor counts it."""

from __future__ import annotations

import json
import shlex

import pytest

from .conftest import Installation
from .test_parked import parked

__all__ = ["parked"]


def test_nothing_waits(installation: Installation) -> None:
    installation.pay()
    shown = installation.run("attention")
    assert (shown.exit_code, shown.stdout) == (0, "Nothing waits for a person.\n")
    assert installation.json("attention") == {"items": [], "next": None}


def test_what_waits_is_told_with_what_mends_it(installation: Installation, parked: str) -> None:
    shown = installation.run("attention")
    assert shown.exit_code == 1
    assert (
        "parked: The backend cannot tell whether the settlement of 60.00 BRL for order order-1 happened."
        in shown.stdout
    )
    (item,) = installation.json("attention", exit_code=1)["items"]
    assert (item["order"], item["transaction"], item["act"]) == ("order-1", parked, 1)
    assert item["command"] in shown.stdout
    assert installation.run(*shlex.split(item["command"])[1:]).exit_code == 0


def test_it_is_listed_by_kind_and_page_by_page(installation: Installation, parked: str) -> None:
    installation.run("ledger", "doubt", "a backup was restored")
    assert installation.json("attention", "--kind", "refused")["items"] == []
    first = installation.json("attention", "--limit", "1", exit_code=1)
    second = installation.json("attention", "--limit", "1", "--after", first["next"], exit_code=1)
    kinds = [item["kind"] for page in (first, second) for item in page["items"]]
    assert (kinds, second["next"]) == (["doubt", "parked"], None)


def test_a_place_that_nobody_gave_is_refused(installation: Installation) -> None:
    assert installation.run("attention", "--after", "x").exit_code == 2


@pytest.mark.parametrize("name", ["parked transactions", "what Redis knows"])
def test_the_doctor_names_it(installation: Installation, parked: str, name: str) -> None:
    installation.run("ledger", "doubt", "a backup was restored")
    checks = {check["name"]: check for check in json.loads(installation.run("doctor", "--json").stdout)["checks"]}
    assert checks[name]["ok"] is False
    assert parked in checks[name]["problem"] or "a backup was restored" in checks[name]["problem"]
