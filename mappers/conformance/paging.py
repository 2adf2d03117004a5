"""What a mapper makes of lists that come in pages: a page that fails is never taken for the end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from mappers.base import BackendUnavailable, Mapper
from mappers.conformance.applicability import keeps_a_statement, lists_cards, needs
from mappers.conformance.attempts import pay, run
from mappers.conformance.driver import Driver
from mappers.conformance.failures import READ_SECONDS, in_time
from mappers.conformance.fixtures import Fixtures

if TYPE_CHECKING:
    from mappers.sandbox import Sandbox

# ruff: noqa: S101 - these are tests

# How a page fails.
PAGE_FAULTS: dict[str, dict[str, Any]] = {"status": {"status": 503}, "junk": {}, "same_page": {}}
SEEN = {"status": "is answered 503", "junk": "is no JSON", "same_page": "shows the first page again"}

# Enough for a second and a third page.
PAYMENTS = 5

# A fault lasts longer than any mapper may go on, and a list that does not end is left at some time.
FAULTS = 30
MANY = 500


def expect_unavailable_at_each_page(sandbox: Sandbox, kind: Any, read: Callable[[], Iterable[object]]) -> None:
    """Let each page of a list but the first fail, one reading after the other."""
    before = len(sandbox.requests)
    list(read())
    paths = Counter(request.path.partition("?")[0] for request in sandbox.requests[before:])
    path, pages = paths.most_common(1)[0]
    assert pages > 1, "the fixture `small_pages` must make lists come in pages of two"
    for page in range(1, pages):
        sandbox.faults.add(kind, path=rf"^{re.escape(path)}(\?|$)", skip=page, times=FAULTS, **PAGE_FAULTS[kind])
        with in_time(READ_SECONDS * (pages + 1)), suppress(BackendUnavailable):
            list(islice(read(), MANY))
            pytest.fail(f"page {page + 1} {SEEN[kind]}, and passes for the end of the list: raise BackendUnavailable")
        sandbox.faults.clear()


class PagingTests(Fixtures):
    """Reconciliation and recovery believe a list: what is not in it did not happen."""

    @needs(keeps_a_statement)
    @pytest.mark.parametrize("kind", PAGE_FAULTS)
    def test_a_page_of_a_statement_that_fails_is_not_taken_for_the_end(
        self, kind: str, mapper: Mapper, card_id: str, full: int, sandbox: Sandbox, small_pages: None
    ) -> None:
        for _ in range(PAYMENTS):
            pay(Driver(mapper, card_id, full // 10, partial(run, mapper)))
        expect_unavailable_at_each_page(sandbox, kind, lambda: mapper.statement(READ_SECONDS, card_id))

    @needs(lists_cards)
    @pytest.mark.parametrize("kind", PAGE_FAULTS)
    def test_a_page_of_the_cards_that_fails_is_not_taken_for_the_end(
        self, kind: str, mapper: Mapper, sandbox: Sandbox, small_pages: None
    ) -> None:
        expect_unavailable_at_each_page(sandbox, kind, lambda: mapper.cards(READ_SECONDS))
