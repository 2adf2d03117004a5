"""Transactions as they lie in Redis, for tests that change one behind the ledger's back."""

from __future__ import annotations

import json
from typing import Any

from app.ledger.storage import keys


def stored(client: Any, transaction_id: str) -> dict[str, Any]:
    """Return the fields of a transaction."""
    fields: dict[str, Any] = json.loads(client.get(_key(transaction_id)).partition("\n")[0])
    return fields


def rewrite(client: Any, transaction_id: str, **fields: Any) -> None:
    """Change fields of a transaction; a dot in a name is written `__`."""
    key = _key(transaction_id)
    changed = {name.replace("__", "."): value for name, value in fields.items()}
    client.set(key, with_fields(client.get(key), changed))


def with_fields(text: str, changed: dict[str, Any]) -> str:
    """Return the text of a transaction with other fields."""
    head, _, memo = text.partition("\n")
    fields = json.loads(head) | changed
    kept = {name: value for name, value in fields.items() if value not in ("", 0) or name == "unresolved"}
    return f"{json.dumps(kept)}\n{memo}"


def _key(transaction_id: str) -> str:
    return str(keys.of_transaction(transaction_id))
