"""In which order a redemption is cut: Vauchar deletes whole ones only, so what is kept of it is redeemed again."""

from __future__ import annotations

from mappers.base import Receipt


def can_pay(weighed: Receipt, keep: int) -> bool:
    """Tell whether the card could pay what is kept before the old redemption is deleted, by the look before both.

    That is the better order: a card that is emptied in between then owes the shop nothing.
    """
    spare = weighed.data.get("spare")
    return isinstance(spare, int) and spare >= keep
