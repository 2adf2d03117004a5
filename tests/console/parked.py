"""An order whose settlement the backend can neither show nor deny, for the pages where a person decides."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from app.ledger.errors import Unresolved
from app.ledger.service import ChangeRequest
from mappers.base import Receipt, Step, Undecidable, Verb
from mappers.deadline import Deadline
from tests.commands.conftest import Installation
from tests.money import minor

CODE = "VAUCHAR-ACTIVE-100"


def park(installation: Installation, order: str = "1532-01", value: str = "60.00", code: str = CODE) -> str:
    """Pay an order with a voucher and settle it so that the settlement is parked; return its transaction."""
    provider = installation.parts.registry.get("vouch")
    assert provider is not None
    transaction = installation.pay(value, order, provider="vouch", code=code)
    evidence: Mapping[str, str | int | bool | None] = {
        "balance_before": 10000,
        "balance": 4000,
        "list_complete": False,
        "candidates": "R-1 R-2",
    }
    look = provider.mapper.run

    def run(step: Step, deadline: Deadline) -> Receipt:
        if step.verb is Verb.LOOK:
            return look(step, deadline)
        raise Undecidable("the balance fits nothing", evidence)

    def ask(_step: Step, _deadline: Deadline) -> Receipt | None:
        raise Undecidable("the balance fits nothing", evidence)

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(provider.mapper, "run", run)
        broken.setattr(provider.mapper, "ask", ask)
        change = ChangeRequest(installation.card(code, "vouch"), transaction, minor(value), f"settle-{order}")
        with pytest.raises(Unresolved):
            installation.parts.ledger.settle(provider, change, Deadline.after(5))
    assert transaction in installation.parts.index.parked()
    return transaction


def spent(installation: Installation, value: str = "60.00", code: str = CODE) -> str:
    """Redeem at the backend as a shop would; return the redemption's id."""
    return str(installation.vouchers.app.extensions["backend"].spend_elsewhere(code, Decimal(value)).id)
