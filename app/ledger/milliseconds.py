"""Times as Redis keeps them: milliseconds since 1970, and durations in milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def milliseconds(time: datetime | timedelta) -> int:
    """Return a moment or a duration in milliseconds."""
    return int((time.timestamp() if isinstance(time, datetime) else time.total_seconds()) * 1000)


def moment(milliseconds: int) -> datetime:
    """Return the moment this many milliseconds after 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
