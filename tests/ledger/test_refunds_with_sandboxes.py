"""Refunds by the real mappers before their sandboxes: repeated, made or confirmed by a person."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from app.ledger.errors import Unresolved
from mappers.base import (
    Refused,
)
from tests.ledger.sandbox_system import SandboxSystem


def test_a_repeated_refund_redeems_nothing_twice(vauchar: SandboxSystem) -> None:
    transaction = vauchar.authorize("40")
    vauchar.settle(transaction, "40", "s1")
    vauchar.sandbox.faults.add("status", method="POST", status=409)
    with pytest.raises(Refused):
        vauchar.cancel(transaction, "10", "c1")
    vauchar.cancel(transaction, "10", "c2")
    vauchar.cancel(transaction, "10", "c1")
    assert vauchar.system.record(transaction).refunded == 2000
    assert vauchar.card.balance == 80


def test_a_repeated_refund_rolls_back_only_standing_redemptions(voucherify: SandboxSystem) -> None:
    transaction = voucherify.authorize("80")
    voucherify.settle(transaction, "40", "s1")
    voucherify.settle(transaction, "40", "s2")
    for _ in range(2):
        voucherify.sandbox.faults.add("status", method="POST", status=400, body={"key": "not_today"})
    with pytest.raises(Refused):
        voucherify.cancel(transaction, "40", "c1")
    voucherify.cancel(transaction, "40", "c2")
    voucherify.cancel(transaction, "40", "c1")
    assert voucherify.system.record(transaction).refunded == 8000
    assert voucherify.backend.find(voucherify.card.code).balance == 10000


@pytest.mark.parametrize("named", [True, False])
def test_a_refund_made_by_hand_is_not_counted_again(vauchar: SandboxSystem, named: bool) -> None:
    """The redemption was deleted and its value not put back: a person does that, and says so."""
    transaction = vauchar.authorize("60")
    vauchar.settle(transaction, "40", "s1")
    vauchar.settle(transaction, "20", "s2")
    second = list(vauchar.card.redemptions)[1]
    vauchar.backend.delete_restores = False
    with pytest.raises(Unresolved):
        vauchar.cancel(transaction, "20", "c1")
    vauchar.backend.delete_restores = True
    vauchar.card.balance += 20
    vauchar.decide(transaction, happened=True, reference=second if named else "")
    vauchar.cancel(transaction, "20", "c2")
    assert vauchar.system.record(transaction).refunded == 4000
    assert vauchar.card.balance == 80


def test_a_rollback_confirmed_by_a_person_is_not_counted_again(
    voucherify: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = voucherify.authorize("80")
    voucherify.settle(transaction, "40", "s1")
    voucherify.settle(transaction, "40", "s2")
    with voucherify.undecidable(monkeypatch), pytest.raises(Unresolved):
        voucherify.cancel(transaction, "40", "c1")
    rollback = next(name for name in voucherify.backend.redemptions if name.startswith("rr"))
    voucherify.decide(transaction, happened=True, reference=rollback)
    voucherify.cancel(transaction, "40", "c2")
    assert voucherify.system.record(transaction).refunded == 8000
    assert voucherify.backend.find(voucherify.card.code).balance == 10000


@pytest.mark.parametrize("restores", [True, False])
def test_a_redemption_that_somebody_deleted_is_given_back_once_if_it_was(
    vauchar: SandboxSystem, *, restores: bool
) -> None:
    """Where its value is not back, its absence would pass for a deletion by us."""
    transaction = vauchar.authorize("40")
    vauchar.settle(transaction, "40", "s1")
    (redemption,) = vauchar.card.redemptions
    vauchar.backend.delete_restores = restores
    vauchar.backend.delete_redemption(vauchar.card.id, redemption)
    with nullcontext() if restores else pytest.raises(Refused, match="see whether its value is back"):
        vauchar.cancel(transaction, "40", "c1")
    assert vauchar.system.record(transaction).refunded == (4000 if restores else 0)
    assert vauchar.card.balance == (100 if restores else 60)
