"""`ledger`: a person learns which orders to compare after Redis may have forgotten some, and ends the doubt."""

from __future__ import annotations

from tests.commands.conftest import Installation


def test_without_doubts_it_says_so(installation: Installation) -> None:
    assert "No doubts" in installation.run("ledger", "doubts").output


def test_orders_that_wait_are_listed_until_the_doubt_is_ended(installation: Installation) -> None:
    waiting = installation.pay("40.00", "order-1", settled="10.00")
    only_held = installation.pay("40.00", "order-2")
    installation.run("ledger", "doubt", "restored the backup of Sunday")
    told = installation.json("ledger", "doubts")
    assert [one["reason"] for one in told["doubts"]] == ["restored the backup of Sunday"]
    assert [one["id"] for one in told["waiting"]] == [waiting]
    assert only_held not in installation.run("ledger", "doubts").output
    assert "ended: 1" in installation.run("ledger", "trust", "--yes").output
    assert "No doubts" in installation.run("ledger", "doubts").output


def test_a_doubt_is_not_ended_without_a_yes(installation: Installation) -> None:
    installation.run("ledger", "doubt", "restored the backup of Sunday")
    assert installation.run("ledger", "trust", stdin="n\n").exit_code == 1
    assert "restored the backup" in installation.run("ledger", "doubts").output
