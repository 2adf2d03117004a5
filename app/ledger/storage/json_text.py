"""JSON as it lies in Redis."""

from __future__ import annotations

import json
from typing import Any


def _whole(number: str) -> int:
    """Return a number as Lua writes one of more than 14 digits: 2.53402300799e+14."""
    return int(float(number))


# Made once: `json` would make one for each text that it reads or writes in another way than it does by default.
_WRITER, _READER = json.JSONEncoder(separators=(",", ":")), json.JSONDecoder(parse_float=_whole)


def compact(value: object) -> str:
    """Return JSON without blanks."""
    return _WRITER.encode(value)


def loads(text: str) -> Any:
    """Return what JSON tells, which a script may have written."""
    return _READER.decode(text)
