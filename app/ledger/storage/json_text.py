"""JSON as it lies in Redis."""

from __future__ import annotations

import json
from typing import Any


def compact(value: object) -> str:
    """Return JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))


def loads(text: str) -> Any:
    """Return what JSON tells, which a script may have written."""
    return json.loads(text, parse_float=_whole)


def _whole(number: str) -> int:
    """Return a number as Lua writes one of more than 14 digits: 2.53402300799e+14."""
    return int(float(number))
