"""`ledger`: a person learns which orders to compare after Redis may have forgotten some, and ends the doubt."""

from __future__ import annotations

import json
from pathlib import Path

import redis

from app.ledger.storage.keys import in_bucket, of_transaction
from tests.commands.conftest import Installation

DUMPS = json.loads((Path(__file__).parent.parent / "ledger/format_2.json").read_text()).values()
OLD = {dump["id"]: dump for dump in DUMPS}


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


def test_transactions_of_the_version_before_are_written_anew_once(installation: Installation) -> None:
    paid = installation.pay("40.00", "order-1")
    with redis.Redis.from_url(installation.environment["GIFTBRIDGE_REDIS_URL"]) as client:
        for dump in OLD.values():
            client.hset(str(of_transaction(dump["id"])), mapping=dump["fields"])
            client.zadd(in_bucket(int(dump["id"][3:5], 16), "all"), {dump["id"]: dump["queues"]["all"]})
    run = installation.run("ledger", "migrate", "--per-second", "1000")
    assert f"Transactions: {1 + len(OLD)}. Written in the new format: {len(OLD)}." in run.output
    assert f"100%: {len(OLD)} of {1 + len(OLD)} written anew" in run.output + run.stderr
    assert installation.json("ledger", "migrate") == {"transactions": 1 + len(OLD), "migrated": 0}
    listed = installation.run("transactions", "list").output
    assert all(name in listed for name in (paid, *(dump["id"] for dump in OLD.values())))
