"""Mappers that read a list page by page, and not to its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from mappers.base import BackendUnavailable, StatementLine
from mappers.lightrail_v2.client import Client
from mappers.lightrail_v2.mapper import LightrailV2
from mappers.lightrail_v2.objects import Posting
from mappers.lightrail_v2.statement import Statement

from .cases import caught_by


class _UntilItFails(Client):
    def transactions(
        self, page_seconds: float, value_id: str | None = None, since: datetime | None = None
    ) -> Iterator[Posting]:
        any_read = False
        try:
            for row in super().transactions(page_seconds, value_id, since):
                any_read = True
                yield row
        except BackendUnavailable:
            if not any_read:
                raise


@caught_by("test_a_page_of_a_statement_that_fails_is_not_taken_for_the_end")
class TakesABrokenPageForTheEnd(LightrailV2):
    """What was read before a page failed is told as if it were all."""

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        client = _UntilItFails(self._client._http)
        statement = Statement(client, self.currency, page_seconds)
        return statement.of_account(since) if card_id is None else statement.of_card(card_id, since)
