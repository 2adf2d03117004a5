"""A part of the page of results: what was measured at one time, under a title of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """`lines` are Markdown."""

    title: str
    lines: tuple[str, ...]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> tuple[str, ...]:
    """Return the lines of a table."""
    return (_row(head), f"|{'---|' * len(head)}", *map(_row, rows))


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
