"""HTTP headers: which values may be sent, and what Retry-After says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from mappers.base import InvalidOptions

# Unix seconds have ten digits until the year 2286; what is longer is in another unit.
LONGEST_UNIX_SECONDS = 11


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return `headers` if they may be sent. Raises InvalidOptions."""
    for name, value in headers.items():
        # Left unchecked, it would fail at every call with an error that shows the value.
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise InvalidOptions("headers", f"the value sent as {name} has a line break or an unprintable character")
    return dict(headers)


def retry_after_seconds(headers: Mapping[str, str], retry_at_header: str = "") -> float | None:
    """Return how long to wait: by Retry-After (RFC 9110, 10.2.3), else by a backend's own header with the moment.

    Retry-After has seconds or a date, `retry_at_header` Unix seconds.
    """
    seconds = _retry_after_seconds(headers.get("Retry-After"))
    moment = headers.get(retry_at_header, "") if retry_at_header else ""
    if seconds is None and moment.isascii() and moment.isdigit() and len(moment) < LONGEST_UNIX_SECONDS:
        return max(0.0, int(moment) - datetime.now(UTC).timestamp())
    return seconds


def _retry_after_seconds(value: str | None) -> float | None:
    if not value:
        return None
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        moment = parsedate_to_datetime(value).astimezone(UTC)
    except (ValueError, OverflowError):  # no date, or one before the year 1 or after 9999
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
