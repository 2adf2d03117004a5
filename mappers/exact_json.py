"""JSON with exact numbers: a number with a fraction is a Decimal, in and out."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from json.encoder import encode_basestring_ascii as _text
from typing import Any


class InvalidJson(ValueError):
    """The body is not JSON that can be trusted with money. The message is safe to show."""


def _no_constant(name: str) -> Any:
    raise InvalidJson(f"{name} is not a JSON number: send amounts as numbers like 15.3")


def decoder(**hooks: Any) -> json.JSONDecoder:
    """Return what makes Decimal of numbers with a fraction or an exponent; `hooks` are those of `json.loads`."""
    return json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant, **hooks)


# Made once: making one costs more than reading a short text.
_DECODER = decoder()


def decode(content: bytes | bytearray, by: json.JSONDecoder = _DECODER) -> Any:
    """Return the value of a JSON text in UTF-8, with or without a byte order mark. Raises InvalidJson."""
    try:
        return by.decode(content.decode("utf-8-sig"))
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


def encode(value: Any, number: Callable[[Decimal], str] = "{:f}".format) -> str:
    """Return `value` as JSON text. A Decimal becomes a number, exact and without exponent, written by `number`.

    The standard encoder writes Decimals only as floats. Raises TypeError for a float, ValueError for NaN or infinity.
    """
    match value:
        case str():
            return _text(value)
        case dict():
            return "{" + ",".join([f"{_text(name)}:{encode(item, number)}" for name, item in value.items()]) + "}"
        case list() | tuple():
            return "[" + ",".join([encode(item, number) for item in value]) + "]"
        case Decimal():
            if not value.is_finite():
                raise ValueError("only finite numbers can be sent")
            return number(value)
        case float():
            raise TypeError("a float is no amount: send a Decimal")
    return json.dumps(value)
