"""JSON bodies of requests and answers: every number is a Decimal, and no object has the same key twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mappers import exact_json
from mappers.exact_json import InvalidJson

__all__ = ["InvalidJson", "parse", "render"]


def parse(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in `raw`. Raises InvalidJson."""
    value = exact_json.decode(raw, _DECODER)
    if not isinstance(value, dict):
        raise InvalidJson("the body is not a JSON object: send one, in braces")
    return value


def render(value: Any) -> str:
    """Return `value` as JSON text. Amounts look as in VTEX's own examples: at least one digit after the point, and no
    more zeros at the end (15.3, 870.0).
    """
    return exact_json.encode(value, _number)


def _number(value: Decimal) -> str:
    whole, _, fraction = f"{value:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidJson("the same key comes twice in one object: send each once")
    return members


_DECODER = exact_json.decoder(parse_int=Decimal, object_pairs_hook=_unique)
