"""Readers of a backend's JSON: each returns a value of the kind it names, or raises Malformed."""

from __future__ import annotations

from giftbridge import _mappers  # noqa: F401 - first, so that the next is ours
from mappers.parsing import (
    Malformed,
    OwnNotes,
    Parsed,
    amount,
    filled,
    flag,
    integer,
    list_of,
    mapping,
    member,
    metadata,
    moment,
    optional,
    rows,
    text,
    understood,
    whole,
    written,
)

__all__ = [
    "Malformed",
    "OwnNotes",
    "Parsed",
    "amount",
    "filled",
    "flag",
    "integer",
    "list_of",
    "mapping",
    "member",
    "metadata",
    "moment",
    "optional",
    "rows",
    "text",
    "understood",
    "whole",
    "written",
]
