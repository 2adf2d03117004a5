"""Every cell of the fault matrix ends as promised: money moved exactly once or not at all, and the lists say so."""

from __future__ import annotations

import pytest

from tests.faults.matrix import STEPS, Cell, Fault, Operation, Recovery, cells, short_form
from tests.faults.promises import AUTHORIZED, PART, Word, money, promised
from tests.faults.stage import Ending, Stage

SHORT = set(short_form())
GIVES_BACK = set(Operation) - {Operation.AUTHORIZE, Operation.CREDIT, Operation.SETTLE}


@pytest.mark.parametrize(
    "cell", [pytest.param(cell, id=str(cell), marks=() if cell in SHORT else pytest.mark.long) for cell in cells()]
)
def test_money_moves_once_or_not_at_all(stage: Stage, cell: Cell) -> None:
    word = promised(cell)
    ending = stage.play(cell)
    _expect_nothing_left_over(ending)
    assert ending.money == money(cell.operation, cell.backend, done=word is Word.DONE)
    assert ending.summary.spendable == ending.money.spendable
    _expect_the_lists_to_agree(cell.operation, ending, word)
    _expect_no_broken_word(cell, ending, word)


def _expect_nothing_left_over(ending: Ending) -> None:
    summary = ending.summary
    assert (summary.unresolved, summary.parked, summary.busy, summary.taking) == (False, False, False, 0)
    assert summary.spends_the_rest


def _expect_the_lists_to_agree(operation: Operation, ending: Ending, word: Word) -> None:
    done, summary = word is Word.DONE, ending.summary
    assert summary.listed is (done or not operation.opens)
    settled = operation in (Operation.REFUND, Operation.REFUND_PART) or (operation is Operation.SETTLE and done)
    assert summary.settlements == ([AUTHORIZED] if settled else [])
    parts = (Operation.CANCEL_PART, Operation.REFUND_PART)
    given_back = [PART if operation in parts else AUTHORIZED] if operation in GIVES_BACK else []
    assert summary.cancellations == (given_back if done else [])


def _expect_no_broken_word(cell: Cell, ending: Ending, word: Word) -> None:
    """What was answered stays true, and who comes back gets the same answer."""
    first, again = ending.first, ending.summary.answer
    assert (first is None) is (cell.fault is Fault.SIGKILL)
    if first and first.id:
        assert word is Word.DONE
    if cell.recovery in (Recovery.RETRY, Recovery.LATE):
        assert again
        assert again.error is None
        assert again.id == (first.id if first and first.id else again.id)
    if cell.recovery is Recovery.READ:
        assert again
        assert again.error is None


def test_the_matrix_knows_every_step(stage: Stage) -> None:
    for (operation, backend), steps in STEPS.items():
        undisturbed = stage.undisturbed(operation, backend)
        assert undisturbed.steps[-1] == steps, (operation, backend)
