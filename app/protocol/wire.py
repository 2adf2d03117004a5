"""JSON text as values and back, with every number a Decimal in both directions."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn


class InvalidJson(ValueError):
    """The body is not a JSON object that can be trusted with money. The message is safe to show."""


def parse(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in `raw`, UTF-8 with or without a byte order mark. Numbers come back as Decimal.

    Raises InvalidJson, also for what Python would let pass: NaN, infinities and the same key twice in one object.
    """
    try:
        text = raw.decode("utf-8-sig")
        value = json.loads(
            text,
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except InvalidJson:
        raise
    except UnicodeDecodeError as error:
        raise InvalidJson("the body is not UTF-8: send JSON in UTF-8") from error
    except RecursionError as error:
        raise InvalidJson("the body is nested too deeply") from error
    except ArithmeticError as error:
        raise InvalidJson("a number in the body has an impossible exponent") from error
    except ValueError as error:
        raise InvalidJson("the body is not JSON: send a JSON object") from error
    if not isinstance(value, dict):
        raise InvalidJson("the body is not a JSON object: send one, in braces")
    return value


def render(value: Any) -> str:
    """Return `value` as JSON text. A Decimal becomes a number, exact and without exponent; a float is an error.

    The standard encoder knows only floats. Numbers are written as VTEX's own examples have them: no zeros at the end
    but one digit after the point (15.3, 870.0).
    """
    match value:
        case Decimal():
            return _number(value)
        case float():
            raise TypeError("a float is no amount: answer a Decimal")
        case dict():
            return "{" + ",".join(f"{json.dumps(key)}:{render(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(render, value)) + "]"
        case _:
            return json.dumps(value)


def _number(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError("only finite numbers can be answered")
    whole, _, fraction = f"{value:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not a JSON number: send amounts as numbers like 15.3")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidJson("the same key comes twice in one object: send each once")
    return members
