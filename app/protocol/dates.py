"""Dates of the protocol: UTC to the millisecond going out, most of ISO 8601 coming in."""

from __future__ import annotations

from datetime import UTC, datetime


def parse(text: str) -> datetime:
    """Return the moment an ISO 8601 text names; without a zone it is UTC. Raises ValueError."""
    try:
        return _utc(datetime.fromisoformat(text.strip()))
    except OverflowError as error:
        raise ValueError("the date is outside the calendar") from error


def render(moment: datetime) -> str:
    """Return `moment` as YYYY-MM-DDTHH:MM:SS.mmmZ; one without a zone is taken for UTC."""
    return _utc(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
