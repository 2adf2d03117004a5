"""A mapper that tells all it knows in its errors and its logs: what a mapper of somebody else may do by mistake."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import structlog

from mappers.base import Card, Customer, Query, Receipt, Step
from mappers.deadline import Deadline
from mappers.memory.mapper import Memory

# A debit of so much crashes while it is sent and while it is asked for, in minor units.
CRASHES = 666


def tell(*secrets: Any) -> None:
    """Write them to every log there is, and crash."""
    told = " ".join(map(str, filter(None, secrets)))
    for name in ("urllib3.connectionpool", "requests", "redis", "gunicorn.error", "leaky"):
        logging.getLogger(name).critical("told %r", told)
        logging.getLogger(name).debug("told %r", told)
    structlog.get_logger().info("told", text=told, url=f"https://backend/{quote(told)}")
    try:
        raise KeyError(told)
    except KeyError as error:
        raise RuntimeError(f"GET https://backend/cards/{quote(told, safe='')} {told!r}") from error


class Leaky(Memory):
    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        if (query.code or "CANARY").startswith("CANARY"):
            tell(query.code, query.pin, *_fields(query.customer))
        return super().find(query, deadline)

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        if step.amount == CRASHES:
            tell(step.pin, *_fields(step.memo.customer))
        return super().run(step, deadline)

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        if step.amount == CRASHES:
            tell(*_fields(step.memo.customer))
        return super().ask(step, deadline)


def _fields(customer: Customer | None) -> tuple[Any, ...]:
    return (customer.email, customer.document, customer.id, customer.name) if customer else ()
