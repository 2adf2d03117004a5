"""HTTP headers: which values may be sent, and what Retry-After says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from mappers.base import InvalidOptions


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return `headers` if they may be sent. Raises InvalidOptions."""
    for name, value in headers.items():
        # Left unchecked, it would fail at every call with an error that shows the value.
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise InvalidOptions("headers", f"the value sent as {name} has a line break or an unprintable character")
    return dict(headers)


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
