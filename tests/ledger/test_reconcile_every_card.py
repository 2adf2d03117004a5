"""`--every-card` finds what was done on cards that the ledger does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.admin.reconciliation.run import Difference
from mappers.base import BackendUnavailable, Holds, Mapper, Unsupported
from tests.ledger.reconciliation_driver import differences, found_by, lose, reconciliation
from tests.ledger.sandbox_system import (
    SandboxSystem,
    lightrail_v1_system,
    vauchar_system,
    voucherify_system,
)
from tests.ledger.system import MakeSystem

BACKENDS: dict[str, tuple[Holds, Callable[..., AbstractContextManager[SandboxSystem]]]] = {
    "lightrail_v1": (Holds.NATIVE, lightrail_v1_system),
    "vauchar": (Holds.LEDGER, vauchar_system),
    "voucherify": (Holds.LEDGER, voucherify_system),
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[SandboxSystem]:
    holds, make = BACKENDS[request.param]
    with make(make_system(holds)) as system:
        if request.param == "vauchar":
            spent = system.backend.by_code("VAUCHAR-EMPTY-0")
            del system.backend.cards[spent.id]
        yield system


def lost_with_its_card(backend: SandboxSystem) -> str:
    transaction = backend.authorize("40.00")
    backend.settle(transaction, "40.00", "settle-1")
    lose(backend.system, transaction)
    return transaction


def every_card(backend: SandboxSystem, *, repair: bool = False) -> list[Difference]:
    return differences(backend.system, every_card=True, repair=repair)


def test_what_was_lost_with_its_card_is_found_by_looking_at_every_card(backend: SandboxSystem) -> None:
    lost = lost_with_its_card(backend)
    assert [one.kind for one in differences(backend.system)] == ["not compared"]
    (found,) = every_card(backend)
    # Vauchar keeps no notes: only the key is known.
    assert (found.kind, found.card, found.transaction in (lost, None)) == ("extra", backend.card.id, True)
    assert "40.00 BRL were" in found.meaning


def test_what_was_lost_with_its_card_is_written_down_again_where_it_can_be(backend: SandboxSystem) -> None:
    lost = lost_with_its_card(backend)
    (found,) = every_card(backend, repair=True)
    native = backend.provider.policy.holds is Holds.NATIVE
    assert found.repaired is native
    assert (backend.system.storage.load(lost) is not None) is native


def test_cards_on_which_nothing_happened_are_no_difference(backend: SandboxSystem) -> None:
    assert every_card(backend) == []


def test_cards_that_are_known_by_older_transactions_only_are_looked_at_since(backend: SandboxSystem) -> None:
    """What was lost since is found, though nothing that is known of the card was opened since."""
    backend.authorize("5.00", "order-0")
    lost = lost_with_its_card(backend)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    run = reconciliation(backend.system, since=tomorrow, every_card=True)
    assert found_by(run) == []
    yesterday = datetime.now(UTC) - timedelta(days=1)
    found = found_by(reconciliation(backend.system, since=yesterday, every_card=True))
    assert [one.transaction in (lost, None) for one in found] == [True]


def test_what_another_provider_did_on_the_same_account_is_no_difference(backend: SandboxSystem) -> None:
    """A card programme of several stores: each provider sees the cards of all, and what was done on them."""
    mine, theirs = backend.provider, replace(backend.provider, id="south")
    backend.system.registry.serve(mine, theirs)
    backend.provider = theirs
    transaction = backend.authorize("40.00")
    backend.settle(transaction, "40.00", "settle-1")
    assert every_card(backend) == []
    backend.provider = mine
    backend.authorize("5.00", "order-2")
    assert every_card(backend) == []


def test_progress_counts_the_cards(backend: SandboxSystem) -> None:
    counted: Counter[tuple[str, str]] = Counter()
    run = reconciliation(backend.system, every_card=True)
    assert [*run.accounts(lambda provider, count, what: counted.update({(provider, what): count}))] == []
    assert counted == {(backend.provider.id, "cards"): len(list(backend.mapper.cards(10)))}


def test_a_list_that_breaks_off_is_told(backend: SandboxSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    lost_with_its_card(backend)
    cards = backend.mapper.cards

    def breaks_off(page_seconds: float) -> Iterator[str]:
        yield from cards(page_seconds)
        raise BackendUnavailable("503")

    monkeypatch.setattr(backend.mapper, "cards", breaks_off)
    assert [one.kind for one in every_card(backend)] == ["extra", "not compared"]


def test_a_backend_that_lists_neither_is_not_compared(backend: SandboxSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend.mapper, "cards", lambda seconds: Mapper.cards(backend.mapper, seconds))
    (found,) = every_card(backend)
    assert (found.kind, found.backend) == ("not compared", "this backend does not list its cards")


def test_cards_of_which_the_backend_cannot_tell_are_told_together(
    backend: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As cards that only shops used are at Vauchar, where it keeps no transaction_id."""
    lost_with_its_card(backend)
    statement = backend.mapper.statement

    def cannot_tell(page_seconds: float, card_id: str | None = None, since: datetime | None = None) -> object:
        if card_id not in (None, backend.card.id):
            raise Unsupported("any of them may be ours")
        return statement(page_seconds, card_id, since)

    monkeypatch.setattr(backend.mapper, "statement", cannot_tell)
    others = len(list(backend.mapper.cards(10))) - 1
    lost, gap = every_card(backend)
    assert (lost.kind, gap.kind, gap.ledger) == ("extra", "not compared", f"cards: {others}")
    assert gap.backend == "any of them may be ours"


def test_a_backend_that_is_down_is_not_asked_for_each_card(backend: SandboxSystem) -> None:
    lost_with_its_card(backend)
    listed = list(backend.mapper.cards(10))
    backend.sandbox.faults.add("status", method="GET", path=r"/(redemptions|transactions)", status=503, times=1_000)
    found = every_card(backend)
    assert [one.ledger for one in found] == ["what it may have lost", "cards: 3"]
    assert "not asked any more" in found[0].backend
    assert len(listed) > 3
