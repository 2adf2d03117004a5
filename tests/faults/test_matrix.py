"""Every cell of the fault matrix ends as expected: money moved exactly once or not at all, and the lists say so."""

from __future__ import annotations

import pytest

from tests.faults.expected import AUTHORIZED, PART, Outcome, expected_money, expected_outcome
from tests.faults.harness import CellResult, Harness
from tests.faults.matrix import STEPS, Cell, Fault, Operation, Recovery, cells, short_form

GIVES_BACK = set(Operation) - {Operation.AUTHORIZE, Operation.CREDIT, Operation.SETTLE}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the short form, or all cells where the long tests are wanted: to collect them all takes seconds."""
    if "cell" not in metafunc.fixturenames:
        return
    short = short_form()
    chosen = short if metafunc.config.option.markexpr == "not long" else list(cells())
    in_short = set(short)
    metafunc.parametrize(
        "cell",
        [pytest.param(cell, id=str(cell), marks=() if cell in in_short else pytest.mark.long) for cell in chosen],
    )


def test_money_moves_once_or_not_at_all(harness: Harness, cell: Cell) -> None:
    outcome = expected_outcome(cell)
    result = harness.run_cell(cell)
    _expect_nothing_left_over(result)
    assert result.money == expected_money(cell.operation, cell.backend, done=outcome is Outcome.DONE)
    assert result.summary.spendable == result.money.spendable
    _expect_the_lists_to_agree(cell.operation, result, outcome)
    _expect_no_broken_answer(cell, result, outcome)


def _expect_nothing_left_over(result: CellResult) -> None:
    summary = result.summary
    assert (summary.unresolved, summary.parked, summary.busy, summary.taking) == (False, False, False, 0)
    assert summary.spends_the_rest


def _expect_the_lists_to_agree(operation: Operation, result: CellResult, outcome: Outcome) -> None:
    done, summary = outcome is Outcome.DONE, result.summary
    assert summary.listed is (done or not operation.opens)
    settled = operation in (Operation.REFUND, Operation.REFUND_PART) or (operation is Operation.SETTLE and done)
    assert summary.settlements == ([AUTHORIZED] if settled else [])
    parts = (Operation.CANCEL_PART, Operation.REFUND_PART)
    given_back = [PART if operation in parts else AUTHORIZED] if operation in GIVES_BACK else []
    assert summary.cancellations == (given_back if done else [])


def _expect_no_broken_answer(cell: Cell, result: CellResult, outcome: Outcome) -> None:
    """What was answered stays true, and who comes back gets the same answer."""
    first, again = result.first, result.summary.answer
    assert (first is None) is (cell.fault is Fault.SIGKILL)
    if first and first.id:
        assert outcome is Outcome.DONE
    if cell.recovery in (Recovery.RETRY, Recovery.LATE):
        assert again
        assert again.error is None
        assert again.id == (first.id if first and first.id else again.id)
    if cell.recovery is Recovery.READ:
        assert again
        assert again.error is None


def test_the_matrix_knows_every_step(harness: Harness) -> None:
    for (operation, backend), steps in STEPS.items():
        without_fault = harness.without_fault(operation, backend)
        assert without_fault.steps[-1] == steps, (operation, backend)
