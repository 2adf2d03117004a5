"""The table of docs/reliability.md that says how every cell ends: `python -m tests.faults.table` prints it."""

from __future__ import annotations

from collections.abc import Iterable

from tests.faults.expected import Outcome, expected_outcome
from tests.faults.matrix import Cell, Fault, Operation, Point, Recovery, cells

# Where backends or steps differ, a field of the table has several outcomes.
ORDER = list(Outcome)


def table() -> str:
    """Return the table: for each point and fault how an operation ends that nobody comes back for."""
    rows = [["it fails", "by", *Operation], ["---"] * (len(Operation) + 2)]
    by_row: dict[tuple[Point, Fault], list[Cell]] = {}
    for cell in cells():
        if cell.recovery is Recovery.SWEEP:
            by_row.setdefault((cell.point, cell.fault), []).append(cell)
    grouped: dict[tuple[Point, tuple[str, ...]], list[Fault]] = {}
    for point in Point:
        for fault in Fault:
            if found := by_row.get((point, fault)):
                outcomes = tuple(
                    _outcomes(cell for cell in found if cell.operation is operation) for operation in Operation
                )
                grouped.setdefault((point, outcomes), []).append(fault)
    shown: set[Point] = set()
    for (point, outcomes), faults in grouped.items():
        rows.append(["" if point in shown else point, ", ".join(faults), *outcomes])
        shown.add(point)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _outcomes(found: Iterable[Cell]) -> str:
    outcomes = {expected_outcome(cell) for cell in found}
    return " or ".join(one for one in ORDER if one in outcomes) or "-"


if __name__ == "__main__":
    print(table())
