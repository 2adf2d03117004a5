"""The table of README that says how every cell ends: `python -m tests.faults.table` prints it."""

from __future__ import annotations

from collections.abc import Iterable

from tests.faults.matrix import Cell, Fault, Operation, Point, Recovery, cells
from tests.faults.promises import Word, promised

# Where backends or steps differ a cell has several words.
ORDER = list(Word)


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
                words = tuple(_words(cell for cell in found if cell.operation is operation) for operation in Operation)
                grouped.setdefault((point, words), []).append(fault)
    shown: set[Point] = set()
    for (point, words), faults in grouped.items():
        rows.append(["" if point in shown else point, ", ".join(faults), *words])
        shown.add(point)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _words(found: Iterable[Cell]) -> str:
    words = {promised(cell) for cell in found}
    return " or ".join(word for word in ORDER if word in words) or "-"


if __name__ == "__main__":
    print(table())
