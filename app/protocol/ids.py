"""A backend's card id as a part of a URL, and back; and what a transaction id can look like."""

from __future__ import annotations

import base64
import re

from app.ledger.errors import TransactionNotFound
from mappers.base import CardNotFound

# Marks an id that was encoded. Only characters that nothing on the way has a reason to escape.
PREFIX = "b64-"

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

# Our own ids are digests; anything longer or stranger was never one.
_TRANSACTION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


def encode(card_id: str) -> str:
    """Return `card_id` as one URL segment: as it is where that is safe, else in base64url behind a prefix."""
    if _PLAIN.fullmatch(card_id) and not card_id.startswith(PREFIX):
        return card_id
    return PREFIX + base64.urlsafe_b64encode(card_id.encode()).decode().rstrip("=")


def decode(segment: str) -> str:
    """Return the card id that `encode` made `segment` of. Raises CardNotFound where it made it of none."""
    card_id = _decoded(segment) if segment.startswith(PREFIX) else segment
    if not card_id or encode(card_id) != segment:
        raise CardNotFound("there is no such card")
    return card_id


def transaction_id(segment: str) -> str:
    """Return `segment` where it can be a transaction's id. Raises TransactionNotFound."""
    if not _TRANSACTION_ID.fullmatch(segment):
        raise TransactionNotFound("this card has no such transaction")
    return segment


def _decoded(segment: str) -> str:
    encoded = segment.removeprefix(PREFIX)
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:
        return ""
