"""How long a hold lasts in the sandbox of Lightrail V2."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta

from mappers.lightrail_sandbox import ApiError

_DURATION = re.compile(
    r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
)


def pending_until(wanted: bool | str, now: datetime) -> datetime | None:
    """Return when a debit created `now` with this `pending` would be voided; None when it is not pending."""
    if wanted is False or wanted == "":
        return None
    if wanted is True:
        return now + timedelta(days=7)
    parts = _DURATION.fullmatch(wanted)
    if not parts:
        # The real server does not check it either before it fails on it.
        raise ApiError(500, "Internal Server Error")
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    clock = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    until = _months_later(now, 12 * years + months) + clock
    if until < now + timedelta(hours=1):
        raise ApiError(422, "The pending duration is less than PT1H.", "PendingDurationTooSmall")
    if until > _months_later(now, 3):
        raise ApiError(422, "The pending duration is more than P3M.", "PendingDurationTooLarge")
    return until


def _months_later(moment: datetime, months: int) -> datetime:
    years, month = divmod(moment.month - 1 + months, 12)
    year = moment.year + years
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))
