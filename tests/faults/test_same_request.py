"""Where a backend fails once and then answers, the request that met the fault finds out by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mappers.base import Verb
from tests.faults.expected import expected_money
from tests.faults.harness import Harness
from tests.faults.matrix import Cell, Fault, Point, Recovery, cells

FAULTS = (Fault.RESET, Fault.ERROR, Fault.JUNK)


def healed_at_once() -> Iterator[Any]:
    """Yield the cells of lost answers and failed reads; of the calls of the short form, one each is not long."""
    families: dict[object, list[Cell]] = {}
    for cell in cells():
        reads = cell.verb in (Verb.LOOK, None)
        lost = cell.point is (Point.BEFORE_SEND if reads else Point.AFTER_COMMIT)
        if lost and cell.fault in FAULTS and cell.recovery is Recovery.RETRY:
            families.setdefault((cell.operation, cell.backend, cell.step), []).append(cell)
    for number, family in enumerate(families.values()):
        for place, cell in enumerate(family):
            its_turn = cell.in_detail and place == number % len(family)
            yield pytest.param(cell, id=str(cell), marks=() if its_turn else pytest.mark.long)


@pytest.mark.parametrize("cell", list(healed_at_once()))
def test_an_answer_lost_once_is_found_by_the_same_request(harness: Harness, cell: Cell) -> None:
    result = harness.run_cell(cell, once=True)
    assert result.first
    assert result.first.error is None
    assert result.summary.answer == result.first
    assert result.money == expected_money(cell.operation, cell.backend, done=True)
