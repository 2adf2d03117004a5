"""Cards knows what a value store is to us, and how one is issued from a program."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from mappers.base import Card, CardStatus, NewCard, mask_code
from mappers.lightrail_draft.objects import Program, ValueStore
from mappers.money import Currency

# Everything of ours in a value store's or transaction's metadata stands under this one name.
OURS = "giftbridge"


def translate(store: ValueStore, currency: Currency, code: str | None = None) -> Card:
    """Return the neutral card. `code` is what it was found by or issued with; the value store does not show it."""
    ours = store.metadata.get(OURS)
    kept = _Kept(ours if isinstance(ours, Mapping) else {})
    return Card(
        id=store.id,
        balance=max(0, store.value or 0),
        currency=store.currency,
        status=status(store, currency, code),
        code_mask=mask_code(code) if code else None,
        caption=kept.text("caption"),
        relation_name=kept.text("relationName"),
        emission_date=kept.moment("emissionDate") or store.start or store.created,
        expiring_date=store.end,
        restricted_to_owner=kept.flag("restrictedToOwner"),
        multiple_redemptions=kept.flag("multipleRedemptions"),
        multiple_credits=kept.flag("multipleCredits"),
        owner=kept.text("owner"),
    )


def status(store: ValueStore, currency: Currency, code: str | None = None) -> CardStatus:
    """Tell whether a value store can pay now, and why not."""
    now = datetime.now(UTC)
    # Ids stand in URLs, which codes must not.
    id_tells_code = bool(code) and str(code).casefold() in store.id.casefold()
    judged = (
        # A debit by id would pass by what a rule allows; a discount is nobody's money.
        (store.ruled or store.value is None or id_tells_code, CardStatus.UNSUPPORTED),
        (store.currency != currency.code, CardStatus.WRONG_CURRENCY),
        (store.frozen, CardStatus.FROZEN),
        (not store.active or store.uses == 0, CardStatus.INACTIVE),
        (store.end is not None and store.end <= now, CardStatus.EXPIRED),
        (store.start is not None and store.start >= now, CardStatus.NOT_STARTED),
    )
    return next((found for applies, found in judged if applies), CardStatus.ACTIVE)


def new_store(new: NewCard, program_id: str) -> dict[str, Any]:
    """Return the body of POST /valueStores; its id is made of `new.key`, so that a repeat finds it."""
    ours = {
        "caption": new.caption,
        "relationName": new.relation_name,
        "emissionDate": _written(new.emission_date),
        "restrictedToOwner": new.restricted_to_owner,
        "multipleRedemptions": new.multiple_redemptions,
        "multipleCredits": new.multiple_credits,
        "owner": new.customer.key if new.customer else None,
    }
    body = {
        "valueStoreId": store_id(new.key),
        "programId": program_id,
        "value": new.balance,
        "metadata": {OURS: {name: item for name, item in ours.items() if item is not None}},
    }
    if new.expiring_date:
        body["endDate"] = _written(new.expiring_date)
    return body


def store_id(key: str) -> str:
    """Return the id of the value store issued under `key`; never the id of a transaction, should they share ids."""
    return f"card-{sha256(key.encode()).hexdigest()[:40]}"


def problem(program: Program, balance: int, currency: Currency) -> str | None:
    """Return why `program` would not issue a card with `balance`, None where it would."""

    def money(minor: int) -> str:
        return f"{currency.to_decimal(minor):f} {currency.code}"

    if program.discount:
        return "is one of discounts, not of gift cards: set another one in the option program_id"
    if not program.active:
        return "is not active"
    if program.currency != currency.code:
        return f"issues cards in {program.currency}, not in {currency.code}"
    if program.fixed and balance not in program.fixed:
        return f"issues cards of {', '.join(map(money, program.fixed))} only, not of {money(balance)}"
    if program.lowest is not None and balance < program.lowest:
        return f"issues cards of {money(program.lowest)} or more, not of {money(balance)}"
    if program.highest is not None and balance > program.highest:
        return f"issues cards of {money(program.highest)} or less, not of {money(balance)}"
    return None


def _written(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class _Kept:
    """Our part of a value store's metadata, which anybody with access to Lightrail may have changed."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._found = found

    def text(self, name: str) -> str | None:
        item = self._found.get(name)
        return item if isinstance(item, str) else None

    def flag(self, name: str) -> bool | None:
        item = self._found.get(name)
        return item if isinstance(item, bool) else None

    def moment(self, name: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(self.text(name) or "")
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
