"""What values are made of in the sandbox of Lightrail V2, and what their program wants of them."""

from __future__ import annotations

import secrets
from typing import Any

from mappers.lightrail_sandbox import CODE_LETTERS, ApiError, Json

# What a value has from its program, unless it says otherwise.
INHERITED = ("discount", "pretax", "active", "redemptionRule", "balanceRule", "startDate", "endDate")


def masked(value: Json) -> str | None:
    """Return a value's code as it is shown: generic codes whole, secret ones by their last four characters."""
    code: str | None = value["code"]
    return code if code is None or value["isGenericCode"] else "…" + code[-4:]


def new_value(given: Json, now: str) -> Json:
    """Return a value with all its properties; `given` are those that are not the default."""
    contact_since = now if given.get("contactId") is not None else None
    return (
        {"id": given["id"], "currency": None, "balance": None, "usesRemaining": None, "programId": None}
        | {"issuanceId": None, "code": None, "isGenericCode": False, "contactId": None, "pretax": False}
        | {"active": True, "canceled": False, "frozen": False, "discount": False, "discountSellerLiability": None}
        | {"discountSellerLiabilityRule": None, "redemptionRule": None, "balanceRule": None, "startDate": None}
        | {"endDate": None, "createdDate": now, "updatedDate": now, "updatedContactIdDate": contact_since}
        | {"createdBy": "user-sandbox-TEST"}
        | {name: value for name, value in given.items() if name != "generateCode"}
        | {"metadata": given.get("metadata") or {}}
    )


def check_program(program: Json | None, body: Json, balance: int | None, currency: Any) -> None:
    if program is None:
        return
    name, low, high = f"Program ({program['id']})", program["minInitialBalance"], program["maxInitialBalance"]
    fixed, uses = program["fixedInitialBalances"], program["fixedInitialUsesRemaining"]
    problems = {
        f"Value's currency {currency} does not match the {name} currency {program['currency']}.": currency
        != program["currency"],
        f"Value's balance {balance} is less than the {name} minInitialBalance {low}.": low is not None
        and (balance or 0) < low,
        f"Value's balance {balance} is more than the {name} maxInitialBalance {high}.": high is not None
        and (balance or 0) > high,
        f"Value's balance {balance} is outside the {name} fixedInitialBalances.": fixed and balance not in fixed,
        f"Value's usesRemaining is outside the {name} fixedInitialUsesRemaining.": uses
        and body.get("usesRemaining") not in uses,
        f"Value's balance {balance} cannot be set: the {name} has a balanceRule.": program["balanceRule"]
        and balance is not None,
    }
    if problem := next((problem for problem, applies in problems.items() if applies), None):
        raise ApiError(409, problem)


def new_code(body: Json) -> str | None:
    rules = body.get("generateCode")
    if rules is None:
        return body.get("code")
    letters = rules.get("charset", CODE_LETTERS)
    middle = "".join(secrets.choice(letters) for _ in range(rules.get("length", 16)))
    return f"{rules.get('prefix', '')}{middle}{rules.get('suffix', '')}"
