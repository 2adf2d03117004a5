"""How values look on the wire: exact JSON numbers, path segments, Retry-After, and what a URL or header may hold."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

from mappers.base import CardNotFound, InvalidOptions

# The largest answer of a gift card system is a list of some hundred entries; more is an error page or an attack.
MAXIMUM_ANSWER_BYTES = 1024 * 1024


def segment(value: str) -> str:
    """Return `value` as one percent-encoded segment of a path.

    Raises CardNotFound for the three values that no path can carry as a segment: "", "." and "..".
    """
    if value in ("", ".", ".."):
        raise CardNotFound("no card can have this id")
    return quote(value, safe="", errors="surrogatepass")


def encode(value: Any) -> str:
    """Return `value` as JSON in which a Decimal is a number with exactly its digits. Floats are refused."""
    match value:
        case dict():
            return "{" + ",".join(f"{json.dumps(name)}:{encode(item)}" for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(encode, value)) + "]"
        case Decimal() if value.is_finite():
            return format(value, "f")
        case Decimal() | float():
            raise TypeError("a number on the wire is an int or a finite Decimal")
    return json.dumps(value)


def decode(content: bytes | bytearray) -> Any:
    """Return the value of a JSON text, None for an empty one; numbers with a fraction or exponent become Decimal.

    Raises ValueError for everything else that a backend may send instead.
    """
    if not content:
        return None
    if len(content) > MAXIMUM_ANSWER_BYTES:
        raise ValueError("larger than any answer")
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=_no_constant)
    except (ArithmeticError, RecursionError) as error:
        raise ValueError("a number or a nesting that nothing sensible needs") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def retry_after_seconds(value: str | None) -> float | None:
    """Read a Retry-After header: seconds or a date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def checked_base_url(base_url: str) -> str:
    """Return `base_url` without slashes at its end. Raises InvalidOptions unless https, or http to this machine."""
    try:
        parts = urlsplit(base_url)
        host, well_formed = parts.hostname, parts.port != 0 and base_url.isascii() and base_url.isprintable()
    except ValueError:
        host, well_formed = None, False
    if not host or not well_formed or " " in base_url:
        raise InvalidOptions("base_url", "base_url must be a URL such as https://api.example.com/v2")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidOptions("base_url", "base_url must have no credentials, query or fragment: give keys as options")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise InvalidOptions("base_url", "base_url must start with https:// (http:// is for this machine only)")
    return base_url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return `headers` if they may be sent. Raises InvalidOptions."""
    for name, value in headers.items():
        # Left to the wire, it would fail at every call with an error that shows the value.
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise InvalidOptions("headers", f"the value sent as {name} has a line break or an unprintable character")
    return dict(headers)
