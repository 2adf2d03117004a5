"""Lines of CSV that a spreadsheet takes for what they are."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

# A spreadsheet takes what begins so for a formula.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def line(values: Sequence[Any]) -> str:
    """Return a line of values: dates as in ISO 8601, nothing for None."""
    text = io.StringIO()
    csv.writer(text).writerow([_cell(value) for value in values])
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    shown = str(value)
    return f"'{shown}" if isinstance(value, str) and shown.startswith(FORMULAS) else shown
