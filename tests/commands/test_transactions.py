"""Transactions are found, shown and repaired from the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from app.admin import activity
from app.admin.transactions.search import Wanted, find
from app.commands.cli import main
from app.ledger.storage.storage import Storage
from app.ledger.transaction import Transaction

from .conftest import CODE, Installation


def ids(listed: Any) -> list[str]:
    return [one["id"] for one in listed["transactions"]]


def values(one: Any) -> tuple[Decimal | int, ...]:
    return tuple(Decimal(one[name]) for name in ("amount", "reserved", "settled", "voided", "refunded"))


# Finding.


@pytest.mark.parametrize("name", ["order-1", "request-of-order-1"])
def test_a_transaction_is_found_by_its_order_and_its_request(installation: Installation, name: str) -> None:
    wanted = installation.pay(order="order-1")
    installation.pay("1.00", order="order-2")
    assert ids(installation.json("transactions", "list", name)) == [wanted]


@pytest.mark.parametrize("group", ["1532540012345", "v7f-2"])
def test_an_order_group_finds_its_orders(installation: Installation, group: str) -> None:
    wanted = [installation.pay("1.00", order=f"{group}-{number:02}") for number in (1, 2, 20)]
    installation.pay("1.00", order=f"{group}0-01")
    assert sorted(ids(installation.json("transactions", "list", group))) == sorted(wanted)
    refused = installation.run("transactions", "show", group)
    assert (refused.exit_code, all(name in refused.stderr for name in wanted)) == (1, True)


def test_an_order_group_of_one_order_stands_for_it(installation: Installation) -> None:
    wanted = installation.pay(order="1532540012345-01")
    assert installation.json("transactions", "show", "1532540012345")["transaction"]["id"] == wanted


def test_a_transaction_is_found_by_its_shortened_id(installation: Installation) -> None:
    wanted = installation.pay()
    others = [installation.pay("1.00", order=f"order-{number}") for number in range(2, 6)]
    for name in (f"{wanted[:11]}…", wanted[:11], wanted[:-1]):
        assert ids(installation.json("transactions", "list", name)) == [wanted]
        assert installation.json("transactions", "show", name)["transaction"]["id"] == wanted
    for name in (wanted[:5], "gb-", f"{wanted}0"):
        assert installation.run("transactions", "show", name).exit_code == 1
    assert wanted not in others


def test_a_transaction_is_found_by_its_id(installation: Installation) -> None:
    wanted = installation.pay()
    assert ids(installation.json("transactions", "list", wanted)) == [wanted]


def test_a_cards_transactions_are_found_by_its_code_on_standard_input(installation: Installation) -> None:
    wanted = installation.pay()
    installation.pay("1.00", order="other", code="LIGHT-ACTIVE-100")
    listed = installation.run("transactions", "list", "--provider", "acme", "--code-stdin", "--json", stdin=f"{CODE}\n")
    assert wanted in listed.stdout
    assert listed.stdout.count('"id"') == 1
    assert CODE not in listed.output


def test_a_code_that_no_card_has_is_refused_without_echoing_it(installation: Installation) -> None:
    listed = installation.run("transactions", "list", "--provider", "acme", "--code-stdin", stdin="NO-SUCH-CODE\n")
    assert listed.exit_code == 1
    assert "no card with this code" in listed.output
    assert "NO-SUCH-CODE" not in listed.output


def test_transactions_are_found_by_how_they_stand(installation: Installation) -> None:
    held = installation.pay(order="held")
    closed = installation.pay("10.00", order="closed", settled="10.00")
    assert ids(installation.json("transactions", "list", "--state", "authorized")) == [held]
    assert ids(installation.json("transactions", "list", "--state", "closed")) == [closed]
    assert ids(installation.json("transactions", "list", "--state", "unresolved")) == []
    assert ids(installation.json("transactions", "list", "--state", "parked")) == []


def test_what_is_unresolved_is_found(installation: Installation) -> None:
    transaction = stuck(installation)
    assert ids(installation.json("transactions", "list", "--state", "unresolved")) == [transaction]


def test_pages_tell_every_transaction_once_newest_first(installation: Installation) -> None:
    paid = [installation.pay("1.00", order=f"order-{number}") for number in range(7)]
    seen: list[str] = []
    place: list[str] = []
    while True:
        page = installation.json("transactions", "list", "--limit", "3", *place)
        seen += ids(page)
        if page["next"] is None:
            break
        place = ["--after", page["next"]]
    assert seen == paid[::-1]


def test_pages_of_a_card_read_no_more_of_its_transactions_than_they_need(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card that pays for every order of a company has 10^5 of them."""
    parts, read = installation.parts, list[str]()
    paid = [installation.pay("1.00", order=f"order-{number}") for number in range(7)]
    record = parts.storage.load(paid[0])
    assert record is not None
    load_many = parts.storage.load_many

    def load(_storage: Storage, wanted: Sequence[str], likely: Callable[[str], bool] | None) -> list[Transaction]:
        read.extend(wanted)
        return load_many(wanted, likely)

    monkeypatch.setattr(Storage, "load_many", load)
    of_the_card = Wanted(provider_id="acme", card_id=record.card_id, asks_no_backend=True)
    page = find(parts, of_the_card, 3)
    assert [one.id for one in page.transactions] == paid[:3:-1]
    assert sorted(read) == sorted(paid[3:]), "one more than the page tells whether another one follows"
    seen = [one.id for one in page.transactions]
    while page.after:
        page = find(parts, of_the_card, 3, page.after)
        seen += [one.id for one in page.transactions]
    assert seen == paid[::-1]


def test_pages_of_a_state_go_on_where_the_one_before_ended(installation: Installation) -> None:
    paid = [
        installation.pay("1.00", order=f"order-{number}", settled="1.00" if number % 2 else None) for number in range(8)
    ]
    first = installation.json("transactions", "list", "--state", "closed", "--limit", "3")
    rest = installation.json("transactions", "list", "--state", "closed", "--limit", "3", "--after", first["next"])
    assert ids(first) + ids(rest) == paid[1::2][::-1]
    assert rest["next"] is None


def test_a_page_that_was_never_named_is_wrong_usage(installation: Installation) -> None:
    assert installation.run("transactions", "list", "--after", "nonsense").exit_code == 2


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        ("40", ["transaction", "state", "amount"]),
        ("60", ["transaction", "state", "amount", "order"]),
        ("80", ["transaction", "state", "amount", "order", "reserved", "settled"]),
    ],
)
def test_the_list_fits_the_terminal_with_what_matters_most_and_says_what_it_left_out(
    installation: Installation, columns: str, titles: list[str]
) -> None:
    transaction = installation.pay(order="1532540012345-01")
    shown = installation.run("transactions", "list", COLUMNS=columns)
    assert max(len(line.rstrip()) for line in shown.stdout.splitlines()) <= int(columns)
    heading, _, row = shown.stdout.splitlines()
    assert heading.split() == titles
    assert f"{transaction[:11]}…" in row
    assert transaction not in row
    assert "Not shown, as the terminal is narrow" in shown.stderr
    assert ids(installation.json("transactions", "list")) == [transaction]


def test_a_pipe_gets_whole_lines_without_color(installation: Installation) -> None:
    installation.pay(order="an-order-id-that-is-rather-long-and-must-not-be-folded" * 4)
    shown = installation.run("transactions", "list", COLUMNS=None)
    assert "an-order-id-that-is-rather-long-and-must-not-be-folded" * 4 in shown.stdout
    assert "\x1b" not in shown.output


def test_what_strangers_wrote_cannot_steer_the_terminal(installation: Installation) -> None:
    installation.pay(order="order\x1b]0;owned\x07")
    assert "\x1b" not in installation.run("transactions", "list").output


# Showing.


def test_a_transaction_is_shown_with_all_that_was_done_and_its_history(installation: Installation) -> None:
    transaction = installation.pay("60.50", settled="40.50")
    installation.run("transactions", "void", "--yes", transaction, "--actor", "ana")
    story = installation.json("transactions", "show", "order-1")
    assert values(story["transaction"]) == (Decimal("60.50"), 0, Decimal("40.50"), 20, 0)
    assert [(act["what"], act["amount"], act["state"], act["by"]) for act in story["acts"]] == [
        ("authorization", Decimal("60.50"), "done", None),
        ("settlement", Decimal("40.50"), "done", None),
        ("cancellation", Decimal("20.00"), "done", "ana"),
    ]
    assert [event["what"] for event in story["events"]][:2] == ["opened", "done"]
    assert "ana" in {event["by"] for event in story["events"]}
    assert all(event["date"].endswith("Z") for event in story["events"])


def test_showing_asks_no_backend_and_needs_no_providers(installation: Installation) -> None:
    transaction = installation.pay()
    installation.file.write_text("not = [toml")
    before = len(installation.backend.requests)
    shown = installation.run("transactions", "show", transaction)
    assert shown.exit_code == 0
    assert "60.00 BRL" in shown.stdout
    assert len(installation.backend.requests) == before


def test_a_transaction_that_is_not_there_is_refused(installation: Installation) -> None:
    shown = installation.run("transactions", "show", "nothing")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "no transaction, order or requestId is called nothing" in shown.stderr


def test_an_order_paid_with_two_cards_is_not_guessed_at(installation: Installation) -> None:
    both = [installation.pay(), installation.pay("5.00", code="LIGHT-ACTIVE-100")]
    refused = installation.run("transactions", "refund", "--yes", "order-1")
    assert refused.exit_code == 1
    assert all(transaction in refused.stderr for transaction in both)


# Acting.


def test_what_is_reserved_is_settled_by_hand(installation: Installation) -> None:
    transaction = installation.pay("60.00")
    done = installation.json("transactions", "settle", "--yes", transaction, "--value", "40.00", "--actor", "ana")
    assert values(done["transaction"]) == (60, 20, 40, 0, 0)
    assert (done["act"]["what"], done["act"]["state"], done["act"]["by"]) == ("settlement", "done", "ana")


def test_without_a_value_all_of_it_is_settled(installation: Installation) -> None:
    done = installation.json("transactions", "settle", "--yes", installation.pay("60.00"))
    assert values(done["transaction"]) == (60, 0, 60, 0, 0)


def test_what_was_settled_is_refunded_by_hand(installation: Installation) -> None:
    transaction = installation.pay("60.00", settled="60.00")
    before = installation.at_the_backend()
    done = installation.json("transactions", "refund", "--yes", transaction, "--value", "19.90")
    assert values(done["transaction"]) == (60, 0, 60, 0, Decimal("19.90"))
    assert installation.at_the_backend() - before == 1990


def test_a_second_refund_of_the_same_value_that_vtex_would_swallow_is_made(installation: Installation) -> None:
    transaction = installation.pay("60.00", settled="60.00")
    for again in ([], ["--again"]):
        assert installation.run("transactions", "refund", "--yes", transaction, "--value", "10", *again).exit_code == 0
    assert installation.record(transaction).refunded == 2000


@pytest.mark.parametrize("command", ["settle", "void", "refund", "cancel"])
def test_the_same_typed_twice_is_done_once(installation: Installation, command: str) -> None:
    transaction = installation.pay("60.00", settled="60.00" if command == "refund" else None)
    typed = ("transactions", command, "--yes", transaction, "--value", "5")
    assert installation.run(*typed, "--actor", "ana").exit_code == 0
    before = installation.record(transaction)
    refused = installation.run(*typed)
    assert (refused.exit_code, installation.record(transaction)) == (1, before)
    assert re.search(r"ana did the same at [\d:]+ UTC, under --request-id by-hand-[0-9a-f]{16}", refused.stderr)
    assert installation.run(*typed[:-1], "6").exit_code == 0


def test_the_same_is_done_again_an_hour_later(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    transaction = installation.pay("60.00")
    typed = ("transactions", "void", "--yes", transaction, "--value", "5")
    assert installation.run(*typed).exit_code == 0
    monkeypatch.setattr("app.admin.transactions.by_hand.SAME_AGAIN", timedelta(seconds=-1))
    assert installation.run(*typed).exit_code == 0


def test_what_was_refused_is_no_reason_to_ask_for_more(installation: Installation) -> None:
    transaction = installation.pay("60.00")
    installation.backend.app.extensions["backend"].by_code(CODE)["frozen"] = True
    typed = ("transactions", "settle", "--yes", transaction, "--value", "5")
    assert "frozen" in installation.run(*typed).stderr
    installation.backend.app.extensions["backend"].by_code(CODE)["frozen"] = False
    assert installation.run(*typed).exit_code == 0


@pytest.mark.parametrize(
    ("command", "settled", "effect"),
    [
        ("settle", None, "Take 30.00 BRL of 60.00 BRL that are reserved"),
        ("void", None, "Give back 30.00 BRL of 60.00 BRL that are reserved"),
        ("refund", "60.00", "Give back 30.00 BRL of 60.00 BRL that were settled"),
        ("cancel", "40.00", "Give back 20.00 BRL that are reserved and 10.00 BRL that were settled"),
    ],
)
def test_nothing_is_done_where_nobody_can_be_asked(
    installation: Installation, command: str, settled: str | None, effect: str
) -> None:
    transaction = installation.pay("60.00", settled=settled)
    before = installation.record(transaction)
    refused = installation.run("transactions", command, transaction, "--value", "30", stdin="y\n")
    assert (refused.exit_code, "add --yes" in refused.stderr) == (2, True)
    assert f"{effect}: transaction {transaction} of order order-1, card value-" in refused.stderr
    assert installation.record(transaction) == before


def test_a_refund_waits_until_nothing_is_reserved(installation: Installation) -> None:
    transaction = installation.pay("60.00", settled="40.00")
    refused = installation.run("transactions", "refund", "--yes", transaction, "--value", "10.00")
    assert refused.exit_code == 1
    assert "still reserved" in refused.stderr
    assert installation.record(transaction).voided == 0


def test_a_void_gives_back_only_what_is_reserved(installation: Installation) -> None:
    transaction = installation.pay("60.00", settled="40.00")
    refused = installation.run("transactions", "void", "--yes", transaction, "--value", "20.01")
    assert (refused.exit_code, "at most 20.00 BRL" in refused.stderr) == (1, True)
    assert values(installation.json("transactions", "void", "--yes", transaction)["transaction"]) == (60, 0, 40, 20, 0)


def test_a_cancellation_gives_back_both(installation: Installation) -> None:
    transaction = installation.pay("60.00", settled="40.00")
    done = installation.json("transactions", "cancel", "--yes", transaction, "--value", "50.00")
    assert values(done["transaction"]) == (60, 0, 40, 20, 30)


@pytest.mark.parametrize("command", ["settle", "cancel", "refund", "void"])
def test_the_caps_hold_by_hand_too(installation: Installation, command: str) -> None:
    transaction = installation.pay("60.00", settled="60.00" if command == "refund" else None)
    before = installation.record(transaction)
    refused = installation.run("transactions", command, "--yes", transaction, "--value", "60.01")
    assert (refused.exit_code, "at most 60.00 BRL" in refused.stderr) == (1, True)
    assert installation.record(transaction).acts == before.acts


@pytest.mark.parametrize("command", ["settle", "cancel", "void"])
def test_the_printed_request_id_repeats_an_act_without_moving_money_twice(
    installation: Installation, command: str
) -> None:
    transaction = installation.pay("60.00")
    first = installation.run("transactions", command, "--yes", transaction, "--value", "20.00")
    (request_id,) = re.findall(r"--request-id (by-hand-[0-9a-f]{16})", first.stderr)
    after = installation.at_the_backend(), installation.record(transaction).acts
    for value in (["--value", "20.00"], []):
        again = installation.run("transactions", command, "--yes", transaction, *value, "--request-id", request_id)
        assert again.exit_code == 0
    assert (installation.at_the_backend(), installation.record(transaction).acts) == after


def test_a_request_id_with_another_value_is_a_conflict(installation: Installation) -> None:
    transaction = installation.pay("60.00")
    installation.run("transactions", "settle", "--yes", transaction, "--value", "20.00", "--request-id", "mine")
    refused = installation.run(
        "transactions", "settle", "--yes", transaction, "--value", "30.00", "--request-id", "mine"
    )
    assert (refused.exit_code, "another value" in refused.stderr) == (1, True)


@pytest.mark.parametrize("value", ["0", "-1", "NaN", "ten", "1e400000"])
def test_a_value_that_is_none_is_wrong_usage(installation: Installation, value: str) -> None:
    transaction = installation.pay("60.00")
    refused = installation.run("transactions", "settle", "--yes", transaction, "--value", value)
    assert refused.exit_code in (1, 2)
    assert installation.record(transaction).captured == 0


def test_the_user_of_the_machine_is_named_unless_another_is(installation: Installation) -> None:
    done = installation.json("transactions", "settle", "--yes", installation.pay())
    assert done["act"]["by"]


def test_a_backend_that_is_down_leaves_the_act_on_record_and_says_how_to_repeat_it(installation: Installation) -> None:
    transaction = installation.pay("60.00")
    installation.backend.faults.add("status_after", method="POST", path="capture", status=500, times=1)
    installation.backend.faults.add("status", method="GET", path="transactions", status=503, times=50)
    refused = installation.run("transactions", "settle", "--yes", transaction, "--request-id", "mine")
    assert refused.exit_code == 1
    assert "--request-id mine" in refused.stderr
    installation.backend.faults.clear()
    done = installation.json("transactions", "settle", "--yes", transaction, "--request-id", "mine")
    assert (done["act"]["state"], values(done["transaction"])) == ("done", (60, 0, 60, 0, 0))


def test_what_was_done_by_hand_is_written_down_once_with_its_outcome(installation: Installation) -> None:
    transaction = installation.pay("60.00")
    for _ in range(2):
        typed = ("--value", "40", "--yes", "--actor", "ana", "--request-id", "mine")
        installation.run("transactions", "settle", transaction, *typed)
    installation.run("transactions", "cancel", transaction, "--yes", "--actor", "rui")
    found = activity.newest(installation.parts, 9)
    assert [(one.who, one.what, one.about, dict(one.details)) for one in found] == [
        ("rui", "cancel", transaction, {"amount": "60.00 BRL", "outcome": "done"}),
        ("ana", "settle", transaction, {"amount": "40.00 BRL", "outcome": "done"}),
    ]


# Resolving.


def stuck(installation: Installation) -> str:
    """Leave a settlement at the backend whose answer was lost."""
    transaction = installation.pay("60.00")
    installation.backend.faults.add("status_after", method="POST", path="capture", status=500, times=1)
    installation.backend.faults.add("status", method="GET", path="transactions", status=503, times=50)
    assert installation.run("transactions", "settle", "--yes", transaction, "--request-id", "lost").exit_code == 1
    installation.backend.faults.clear()
    assert installation.record(transaction).unresolved is not None
    return transaction


def test_what_is_not_known_is_not_called_settled(installation: Installation) -> None:
    transaction = stuck(installation)
    shown = installation.run("transactions", "show", transaction).stdout
    fields = dict(line.split(maxsplit=1) for line in shown.splitlines() if line.startswith(("Settled ", "State ")))
    assert fields["Settled"].rstrip() == "0.00 BRL"
    assert "settlement pending" in fields["State"]
    assert "60.00 BRL: settlement pending" in shown
    listed = installation.json("transactions", "list")["transactions"][0]
    assert (values(listed), listed["uncertain"]) == ((60, 0, 0, 0, 0), 60)
    after = installation.json("transactions", "resolve", transaction)
    assert (after["settled"], after["uncertain"]) == (60, 0)


def test_what_is_unresolved_is_finished_by_asking_the_backend(installation: Installation) -> None:
    transaction = stuck(installation)
    after = installation.json("transactions", "resolve", transaction)
    assert (after["unresolved"], values(after)) == (None, (60, 0, 60, 0, 0))


def test_where_nothing_is_unresolved_there_is_nothing_to_resolve(installation: Installation) -> None:
    refused = installation.run("transactions", "resolve", installation.pay())
    assert (refused.exit_code, "nothing of it is unresolved" in refused.stderr) == (1, True)


def test_a_person_decides_only_what_is_parked(installation: Installation) -> None:
    refused = installation.run("transactions", "resolve", stuck(installation), "--happened")
    assert (refused.exit_code, "not left for a person" in refused.stderr) == (1, True)


@pytest.mark.parametrize("command", ["list", "show", "settle", "cancel", "refund", "void", "resolve"])
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(main, ["transactions", command, "--help"])
    assert shown.exit_code == 0
    assert f"giftbridge transactions {command}" in shown.output
