"""What Prometheus would see: the samples of an answer, and a ledger behind it."""

from __future__ import annotations

from tests.ledger.conftest import make_system, native, non_idempotent, system

__all__ = ["make_system", "native", "non_idempotent", "system"]
