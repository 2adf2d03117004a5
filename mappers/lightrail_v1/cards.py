"""Gift cards and account cards: what they can pay, why not, and what their categories keep for us."""

from __future__ import annotations

from collections.abc import Iterable

from mappers.base import Card, CardStatus, NewCard
from mappers.lightrail import mask
from mappers.lightrail_v1.objects import CardRecord, Details, ValueStore
from mappers.money import Currency

GIFT_CARD, ACCOUNT_CARD = "GIFT_CARD", "ACCOUNT_CARD"

# Categories are the one thing given to a new card that reading it shows again; its metadata is not.
OURS = "giftbridge_"

# The category that canceling a card gives it (V1 API docs, POST /cards/{cardId}/cancel).
CANCELED = ("giftbit_status", "CANCELLED")

STATES = {
    "ACTIVE": CardStatus.ACTIVE,
    "INACTIVE": CardStatus.INACTIVE,
    "NOT_STARTED": CardStatus.NOT_STARTED,
    "EXPIRED": CardStatus.EXPIRED,
    "FROZEN": CardStatus.FROZEN,
    "CANCELLED": CardStatus.CANCELED,
}


def spendable(details: Details, *, restricted: bool = False) -> int:
    """Return what the card can pay now, in minor units: whatever is bought, or at most, counting restricted stores."""
    return sum(store.value for store in _active(details) if restricted or not store.restricted)


def has_restricted(details: Details) -> bool:
    """Tell whether only a look at the cart decides what the card can pay."""
    return any(store.restricted and store.value > 0 for store in _active(details))


def translate(details: Details, record: CardRecord, currency: Currency, code: str = "") -> Card:
    """Return the neutral card, worth what it can pay whatever is bought. `code` is what it was found by."""
    kept = record.categories
    principal = _principal(details)
    is_account = details.card_type == ACCOUNT_CARD
    return Card(
        id=details.card_id,
        balance=max(0, spendable(details)),
        currency=details.currency,
        status=CardStatus.CANCELED if CANCELED in kept.items() else status(details, currency, code),
        code_mask=mask(code, details.last_four),
        caption=kept.get(f"{OURS}caption"),
        relation_name=kept.get(f"{OURS}relation_name"),
        emission_date=(principal and principal.start) or record.created,
        expiring_date=principal.expires if principal else None,
        restricted_to_owner=_flag(kept.get(f"{OURS}restricted_to_owner"), default=True if is_account else None),
        multiple_redemptions=_flag(kept.get(f"{OURS}multiple_redemptions")),
        multiple_credits=_flag(kept.get(f"{OURS}multiple_credits")),
        owner=kept.get(f"{OURS}owner"),
    )


def categories(new: NewCard) -> dict[str, str]:
    """Return what a new card is to keep for us, as labels."""
    kept = {
        "caption": new.caption,
        "relation_name": new.relation_name,
        "restricted_to_owner": _written_flag(new.restricted_to_owner),
        "multiple_redemptions": _written_flag(new.multiple_redemptions),
        "multiple_credits": _written_flag(new.multiple_credits),
        "owner": new.customer.key if new.customer else None,
    }
    return {f"{OURS}{name}": value for name, value in kept.items() if value}


def _active(details: Details) -> Iterable[ValueStore]:
    """Yield the stores that can pay: where the principal cannot, no promotion does."""
    principal = _principal(details)
    is_over = principal is None or principal.state != "ACTIVE"
    return () if is_over else (store for store in details.stores if store.state == "ACTIVE")


def _principal(details: Details) -> ValueStore | None:
    return next((store for store in details.stores if store.kind == "PRINCIPAL"), None)


def status(details: Details, currency: Currency, code: str = "") -> CardStatus:
    """Return whether the card can pay, and why not: its state is that of its principal (V1 docs, object model)."""
    # Ids stand in URLs, which codes must not.
    id_tells_code = bool(code) and code.casefold() in details.card_id.casefold()
    principal = _principal(details)
    if details.card_type not in (GIFT_CARD, ACCOUNT_CARD) or id_tells_code or principal is None:
        return CardStatus.UNSUPPORTED
    if details.currency != currency.code:
        return CardStatus.WRONG_CURRENCY
    return STATES.get(principal.state, CardStatus.INACTIVE)


def _written_flag(flag: bool) -> str:
    return "true" if flag else "false"


def _flag(text: str | None, default: bool | None = None) -> bool | None:
    return {"true": True, "false": False}.get(text or "", default)
