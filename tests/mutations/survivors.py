"""Guards whose loss no test of the ledger notices, each with the reason why that is right."""

from __future__ import annotations

SURVIVORS: dict[str, str] = {}
