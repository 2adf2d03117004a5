"""What a request body may hold in the sandbox of Lightrail V2, and the 422 for everything else."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mappers.lightrail_sandbox import ApiError, Json, stamp
from mappers.lightrail_v2.sandbox_model import LARGEST_BALANCE


class Wrong(ValueError):
    """What was sent is not what it should be; the message ends a sentence that begins with its name."""


# Turns what was sent into what is meant. Raises Wrong.
Check = Callable[[Any], Any]

_ID = re.compile(r"[!-~]+([ -~]*[!-~]+)?")
_DURATION = re.compile(
    r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
)


def integer(lowest: int, highest: int = LARGEST_BALANCE) -> Check:
    def check(value: Any) -> int:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole:
            raise Wrong("is not of a type(s) integer")
        if not lowest <= value <= highest:
            raise Wrong(f"must have a value from {lowest} to {highest}")
        return int(value)

    return check


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong("is not of a type(s) boolean")
    return value


def text(lowest: int = 0, highest: int = 255) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong("is not of a type(s) string")
        if not lowest <= len(value) <= highest:
            raise Wrong(f"does not meet a length of {lowest} to {highest}")
        return value

    return check


def system_id(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 64 or not _ID.fullmatch(value):
        raise Wrong("is not 1 to 64 printable ASCII characters")
    return value


def code(value: Any) -> str:
    checked: str = text(1)(value)
    if checked != checked.strip():
        raise Wrong("has leading or trailing whitespace")
    return checked


def date(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise Wrong("does not conform to the date-time format") from error
    return stamp(moment.replace(tzinfo=moment.tzinfo or UTC))


def anything_in(kind: type, name: str) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise Wrong(f"is not of a type(s) {name}")
        return value

    return check


def party(value: Any) -> Json:
    if not isinstance(value, dict) or value.get("rail") != "lightrail":
        raise Wrong("must have the rail lightrail")
    if set(value) not in ({"rail", "code"}, {"rail", "valueId"}):
        raise Wrong("must have either code or valueId")
    return {"code": text(1)(value["code"])} if "code" in value else {"valueId": system_id(value["valueId"])}


def pending(value: Any) -> bool | str:
    if not isinstance(value, bool | str):
        raise Wrong("is not of a type(s) boolean,string")
    return value


def nullable(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


json_object = anything_in(dict, "object")
metadata = nullable(json_object)
rule = nullable(json_object)

TRANSACTION = {"id": system_id, "metadata": metadata}
DEBIT = TRANSACTION | {
    "source": party, "amount": integer(1), "uses": integer(1), "currency": text(1, 16), "pending": pending,
    "allowRemainder": boolean, "simulate": boolean,
}  # fmt: skip
CREDIT = TRANSACTION | {
    "destination": party, "amount": integer(1), "currency": text(1, 16), "simulate": boolean,
}  # fmt: skip
REVERSE = TRANSACTION | {"simulate": boolean}
VALUE_CHANGE = {
    "active": boolean, "frozen": boolean, "canceled": boolean, "pretax": boolean, "discount": boolean,
    "startDate": nullable(date), "endDate": nullable(date), "redemptionRule": rule, "balanceRule": rule,
    "metadata": metadata,
}  # fmt: skip
VALUE = {name: check for name, check in VALUE_CHANGE.items() if name != "canceled"} | {
    "id": system_id, "programId": system_id, "currency": text(1, 16), "balance": nullable(integer(0)),
    "code": nullable(code), "generateCode": nullable(json_object), "contactId": nullable(system_id),
    "isGenericCode": boolean, "genericCodeOptions": nullable(json_object), "usesRemaining": nullable(integer(0)),
}  # fmt: skip
CURRENCY = {"code": text(1, 16), "name": text(1), "symbol": text(1, 16), "decimalPlaces": integer(0, 4)}
PROGRAM = {
    "id": system_id, "name": text(1), "currency": text(1, 16), "minInitialBalance": nullable(integer(0)),
    "maxInitialBalance": nullable(integer(0)),
}  # fmt: skip
CONTACT = {
    "id": system_id, "email": nullable(text(1)), "firstName": nullable(text(1)), "lastName": nullable(text(1)),
    "metadata": metadata,
}  # fmt: skip
ATTACH = {"code": text(1), "valueId": system_id}
GENERATE_CODE = {"length": integer(6, 255), "charset": text(5), "prefix": text(), "suffix": text()}


def checked(body: Any, schema: Mapping[str, Check], *required: str, name: str = "requestBody") -> Json:
    """Return `body` with every property as it is meant. Raises ApiError 422 naming all that is wrong."""
    if not isinstance(body, dict):
        raise ApiError(422, f"The {name} has 1 validation error(s): {name} is not of a type(s) object.")
    found: Json = {}
    errors = [f"{name} requires property '{missing}'" for missing in required if missing not in body]
    for key, value in body.items():
        if key not in schema:
            errors.append(f'{name} additionalProperty "{key}" exists in instance when not allowed')
            continue
        try:
            found[key] = schema[key](value)
        except Wrong as error:
            errors.append(f"{name}.{key} {error}")
    if errors:
        raise ApiError(422, f"The {name} has {len(errors)} validation error(s): {', '.join(errors)}.")
    return found


def pending_until(wanted: bool | str, now: datetime) -> datetime | None:
    """Return when a debit created `now` with this `pending` would be voided; None when it is not pending."""
    if wanted is False:
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
