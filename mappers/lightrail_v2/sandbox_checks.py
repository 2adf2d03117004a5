"""What a request body may hold in the sandbox of Lightrail V2, and the 422 for everything else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mappers.lightrail_sandbox import ApiError, Json, stamp
from mappers.lightrail_v2.sandbox_model import LARGEST_BALANCE
from mappers.lightrail_v2.sandbox_rules import checked_rule
from mappers.lightrail_v2.sandbox_values import INHERITED


class Wrong(ValueError):
    """What was sent is not what it should be; the message ends a sentence that begins with its name."""


# Turns what was sent into what is meant. Raises Wrong.
Check = Callable[[Any], Any]

_ID = re.compile(r"[!-~]+([ -~]*[!-~]+)?")
# A code of this length does not fit once it is encrypted.
TOO_LONG_A_CODE = 255
SHORTEST_GENERATED_CODE = 6


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
    if "T" not in value:
        raise Wrong("does not conform to the date-time format")
    return stamp(moment.replace(tzinfo=moment.tzinfo or UTC))


def anything_in(kind: type | tuple[type, ...], name: str) -> Check:
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
    name = "code" if "code" in value else "valueId"
    return {name: text(1)(value[name])}


def source(value: Any) -> Json:
    """Of a checkout, which may also be paid by all that a contact has."""
    if isinstance(value, dict) and set(value) == {"rail", "contactId"}:
        return {"contactId": system_id(value["contactId"])}
    return party(value)


def rows_of(schema: Mapping[str, Check], *required: str) -> Check:
    def check(value: Any) -> list[Json]:
        if not isinstance(value, list) or not value:
            raise Wrong("is not of a type(s) array with at least one item")
        return [checked(row, schema, *required, name="requestBody.lineItems") for row in value]

    return check


def sources(value: Any) -> list[Json]:
    if not isinstance(value, list):
        raise Wrong("is not of a type(s) array")
    return [source(one) for one in value]


def pending(value: Any) -> bool | str:
    if not isinstance(value, bool | str):
        raise Wrong("is not of a type(s) boolean,string")
    return value


def nullable(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


json_object = anything_in(dict, "object")
metadata = nullable(json_object)
rule = nullable(json_object)

TRANSACTION = {"id": system_id, "metadata": metadata, "simulate": boolean}
MONEY = TRANSACTION | {"amount": integer(1), "uses": integer(1), "currency": text(1, 16)}
DEBIT = MONEY | {"source": party, "pending": pending, "allowRemainder": boolean}
CREDIT = MONEY | {"destination": party}
LINE_ITEM = {
    "type": text(1), "productId": text(), "variantId": text(), "unitPrice": integer(0), "quantity": integer(1),
    "taxRate": anything_in((int, float), "number"), "tags": anything_in(list, "array"), "metadata": metadata,
}  # fmt: skip
CHECKOUT = TRANSACTION | {
    "currency": text(1, 16), "lineItems": rows_of(LINE_ITEM, "unitPrice"), "sources": sources,
    "allowRemainder": boolean,
}  # fmt: skip
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
PROGRAM = {name: VALUE_CHANGE[name] for name in INHERITED} | {
    "id": system_id, "name": text(1), "currency": text(1, 16), "minInitialBalance": nullable(integer(0)),
    "maxInitialBalance": nullable(integer(0)), "fixedInitialBalances": nullable(anything_in(list, "array")),
    "fixedInitialUsesRemaining": nullable(anything_in(list, "array")), "metadata": metadata,
}  # fmt: skip
CONTACT = {
    "id": system_id, "email": nullable(text(1)), "firstName": nullable(text(1)), "lastName": nullable(text(1)),
    "metadata": metadata,
}  # fmt: skip
ATTACH = {"code": text(1), "valueId": system_id}
GENERATE_CODE = {"length": integer(1, 255), "charset": text(5), "prefix": text(), "suffix": text()}


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


def checked_value(body: Json, before: Json | None = None) -> Json:
    """Return what a value is made of, or `before` becomes, in which one property must fit the others."""
    whole = (before or {}) | body
    for name in ("redemptionRule", "balanceRule"):
        if body.get(name) is not None:
            checked_rule(name, body[name])
    wrong = {
        "balance and balanceRule exclude each other": whole.get("balance") is not None and whole.get("balanceRule"),
        "it needs currency or programId": not before and "currency" not in body and "programId" not in body,
        "code and generateCode exclude each other": body.get("code") and body.get("generateCode"),
        "a generic code with a balance needs genericCodeOptions.perContact.balance": whole.get("isGenericCode")
        and whole.get("balance") is not None
        and ((whole.get("genericCodeOptions") or {}).get("perContact") or {}).get("balance") is None,
    }
    if found := [problem for problem, applies in wrong.items() if applies]:
        raise ApiError(422, f"The requestBody has {len(found)} validation error(s): {', '.join(found)}.")
    if len(body.get("code") or "") >= TOO_LONG_A_CODE:
        raise ApiError(500, "Internal Server Error")
    if body.get("generateCode") is not None:
        rules = checked(body["generateCode"], GENERATE_CODE, name="requestBody.generateCode")
        if rules.get("length", SHORTEST_GENERATED_CODE) < SHORTEST_GENERATED_CODE:
            raise ApiError(422, "The code would be too short.", "InvalidGenerateCodeParameters")
    return body
