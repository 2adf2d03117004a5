"""Taking and giving back parts where only whole holds can be: the plan, and its sums whatever happens in between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappers.base import Act, ActKind, DoneStep, Holds, Receipt, Step, TransactionFacts, Verb
from mappers.whole_capture import plan

BOTH = pytest.mark.parametrize("refund_whole", [True, False], ids=["can undo", "cannot undo"])


def done(verb: Verb, amount: int = 1000, reference: None = None) -> DoneStep:
    return DoneStep(verb, amount, Receipt(reference or f"the {verb}"), f"gb-{verb}")


def planned(
    act: Act, *done_before: DoneStep, refund_whole: bool = True, holds: Holds = Holds.NATIVE, **fields: Any
) -> list[tuple[Verb, int, str]]:
    transaction = TransactionFacts("gb-0", "card", 1000, holds, done=done_before, **fields)
    return [(step.verb, step.amount, step.reference) for step in plan(act, transaction, refund_whole=refund_whole)]


def reversal(amount: int) -> Act:
    return Act(ActKind.REVERSAL, amount, amount)


HOLD, CAPTURE, DEBIT = done(Verb.HOLD), done(Verb.CAPTURE), done(Verb.DEBIT)


def test_a_debit_is_held_or_taken_as_the_transaction_was_opened() -> None:
    debit = Act(ActKind.DEBIT, 1000)
    assert planned(debit) == [(Verb.HOLD, 1000, "")]
    assert planned(debit, holds=Holds.UPFRONT) == [(Verb.DEBIT, 1000, "")]


@BOTH
def test_the_first_capture_takes_all_and_later_ones_nothing(refund_whole: bool) -> None:
    capture = Act(ActKind.CAPTURE, 300)
    assert planned(capture, HOLD, refund_whole=refund_whole) == [(Verb.CAPTURE, 1000, "the hold")]
    assert planned(capture, HOLD, CAPTURE, refund_whole=refund_whole) == []
    assert planned(capture, DEBIT, holds=Holds.UPFRONT, refund_whole=refund_whole) == []


@BOTH
def test_a_whole_hold_is_voided_and_a_part_is_taken_to_be_given_back(refund_whole: bool) -> None:
    assert planned(reversal(1000), HOLD, refund_whole=refund_whole) == [(Verb.VOID, 1000, "the hold")]
    taken_and_back = [(Verb.CAPTURE, 1000, "the hold"), (Verb.REFUND, 400, "")]
    assert planned(reversal(400), HOLD, refund_whole=refund_whole) == taken_and_back


def test_all_that_was_taken_is_undone_where_that_is_possible() -> None:
    assert planned(reversal(1000), HOLD, CAPTURE) == [(Verb.REFUND, 1000, "the capture")]
    assert planned(reversal(1000), DEBIT, holds=Holds.UPFRONT) == [(Verb.REFUND, 1000, "the debit")]
    assert planned(reversal(1000), HOLD, CAPTURE, refund_whole=False) == [(Verb.REFUND, 1000, "")]


@BOTH
def test_a_part_of_what_was_taken_is_added_back(refund_whole: bool) -> None:
    assert planned(reversal(400), HOLD, CAPTURE, refund_whole=refund_whole) == [(Verb.REFUND, 400, "")]


@BOTH
def test_what_was_added_is_taken_back_as_money(refund_whole: bool) -> None:
    assert planned(Act(ActKind.CREDIT, 1000), credit=True, refund_whole=refund_whole) == [(Verb.CREDIT, 1000, "")]
    assert planned(Act(ActKind.CAPTURE, 1000), done(Verb.CREDIT), credit=True, refund_whole=refund_whole) == []
    taken_back = planned(reversal(400), done(Verb.CREDIT), DEBIT, credit=True, refund_whole=refund_whole)
    assert taken_back == [(Verb.DEBIT, 400, "")]


def test_nothing_is_planned_for_nothing() -> None:
    assert planned(Act(ActKind.CAPTURE, 0), HOLD, CAPTURE) == []
    assert planned(reversal(0), HOLD, CAPTURE) == []


@dataclass
class SandboxAccount:
    """A backend whose holds end only once and whole, and which undoes only once and whole."""

    refund_whole: bool
    change: int = 0
    open: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    made: int = 0

    def run(self, step: Step) -> Receipt:
        self.made += 1
        name = f"made-{self.made}"
        match step.verb:
            case Verb.HOLD:
                self.open[name] = step.amount
                self.change -= step.amount
            case Verb.CAPTURE:
                assert self.open.pop(step.reference) == step.amount
                self.taken[name] = step.amount
            case Verb.VOID:
                assert self.open.pop(step.reference) == step.amount
                self.change += step.amount
            case Verb.REFUND if step.reference:
                assert self.refund_whole
                assert self.taken.pop(step.reference) == step.amount
                self.change += step.amount
            case Verb.REFUND | Verb.CREDIT:
                self.change += step.amount
            case Verb.DEBIT:
                self.taken[name] = step.amount
                self.change -= step.amount
        return Receipt(name)


class Ledger:
    """One transaction at a backend, with the caps that the ledger keeps."""

    def __init__(self, amount: int, holds: Holds, refund_whole: bool, *, credit: bool) -> None:
        self.account = SandboxAccount(refund_whole)
        self.transaction = TransactionFacts("gb-0", "card", amount, holds, credit)
        self.act(Act(ActKind.CREDIT if credit else ActKind.DEBIT, amount))

    def act(self, act: Act, *, refused: bool = False) -> None:
        """Do an act; a refused one ends before its last step."""
        steps = plan(act, self.transaction, refund_whole=self.account.refund_whole)
        for step in steps[: -1 if refused else None]:
            finished = DoneStep(step.verb, step.amount, self.account.run(step), "key")
            self.transaction = replace(self.transaction, done=(*self.transaction.done, finished))
        if refused and steps:
            return
        now = self.transaction
        captured = now.captured + (act.amount if act.kind is ActKind.CAPTURE else 0)
        self.transaction = replace(
            now, captured=captured, voided=now.voided + act.voided, refunded=now.refunded + act.refunded
        )

    @property
    def held(self) -> int:
        return self.transaction.amount - self.transaction.captured - self.transaction.voided

    @property
    def kept(self) -> int:
        """What Redis has, or may still take."""
        return self.transaction.amount - self.transaction.voided - self.transaction.refunded


@settings(deadline=None)  # a busy machine is no failure
@given(
    amount=st.integers(1, 50),
    holds=st.sampled_from([Holds.NATIVE, Holds.UPFRONT]),
    refund_whole=st.booleans(),
    credit=st.booleans(),
    acts=st.lists(st.tuples(st.booleans(), st.integers(1, 50), st.integers(0, 3)), max_size=12),
)
def test_the_card_is_exact_whatever_is_settled_canceled_and_refused(
    amount: int, holds: Holds, refund_whole: bool, credit: bool, acts: list[tuple[bool, int, int]]
) -> None:
    ledger = Ledger(amount, holds, refund_whole, credit=credit)
    for captures, wanted, luck in acts:
        possible = ledger.held if captures else ledger.kept
        part = min(wanted, possible)
        if not part:
            continue
        voided = 0 if captures else min(part, ledger.held)
        kind = ActKind.CAPTURE if captures else ActKind.REVERSAL
        refunded = 0 if captures else part - voided
        ledger.act(Act(kind, part, voided, refunded), refused=luck == 0)
        assert ledger.account.change == (ledger.kept if credit else -ledger.kept)
    if ledger.held == 0:
        assert not ledger.account.open, "nothing stays reserved once all of it is settled or canceled"
