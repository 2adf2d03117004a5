"""Dates of the protocol: UTC to the millisecond going out, most of ISO 8601 coming in."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, tzinfo

# .NET writes a date that is not there as the first moment of this year.
NO_YEAR = 1


def parse(text: str, zone: tzinfo = UTC, *, of_day: time = time.min) -> datetime | None:
    """Return the moment in UTC that an ISO 8601 text names; None where it says that there is none. Raises ValueError.

    Without a zone it is in `zone`. A date alone means `of_day` of that day.
    """
    text = text.strip()
    if not text:
        return None
    try:
        moment = datetime.combine(date.fromisoformat(text), of_day)
    except ValueError:
        moment = datetime.fromisoformat(text)
    if moment.year == NO_YEAR:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the date is outside the calendar") from error


def render(moment: datetime) -> str:
    """Return `moment` as YYYY-MM-DDTHH:MM:SS.mmmZ; one without a zone is taken for UTC."""
    utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
