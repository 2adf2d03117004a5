"""The REST-Range headers of a search."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

REQUEST_HEADER = "REST-Range"
RESPONSE_HEADER = "REST-Content-Range"

# The protocol's documented default; the checkout itself asks for 0-9.
DEFAULT_RANGE = (0, 49)

_RANGE = re.compile(r"(\d{1,9})\s*-\s*(\d{1,9})")

Item = TypeVar("Item")


def page(items: Sequence[Item], requested: str | None) -> tuple[Sequence[Item], str]:
    """Return the part of `items` that a REST-Range header asks for, and the REST-Content-Range that says so.

    Both ends count: `resources=0-9` is ten items. What cannot be read is the default range. The answer names the
    items that are there (`resources 0-2/3`); where there is none, the range that was asked for, or 0-0 of 0.
    """
    first, last = _range(requested or "")
    chosen = items[first : last + 1]
    if not items:
        first = last = 0
    elif chosen:
        last = first + len(chosen) - 1
    return chosen, f"resources {first}-{last}/{len(items)}"


def _range(requested: str) -> tuple[int, int]:
    found = _RANGE.search(requested)
    if found is None:
        return DEFAULT_RANGE
    first, last = int(found[1]), int(found[2])
    return (first, last) if first <= last else DEFAULT_RANGE
