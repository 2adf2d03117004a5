"""The comparison of the ledger with what each backend has on record, step by step."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain, groupby
from typing import TypeVar

from app.admin.reconciliation.card import CardComparison
from app.admin.reconciliation.pace import Pace
from app.admin.reconciliation.run import LOST, REMEMBERED, Difference, Run
from app.ledger import names
from app.ledger.milliseconds import milliseconds
from app.parts import Parts
from mappers.base import BackendUnavailable, MapperError, OutcomeUnknown, StatementLine, Unsupported
from mappers.capabilities import keeps_statement
from providers.provider import Provider

T = TypeVar("T")

# A backend that is down would make a million cards wait for their deadlines, one after the other.
FAILURES_IN_A_ROW = 3
GAVE_UP = f"not asked any more after {FAILURES_IN_A_ROW} failures in a row: try again later"

# Entries of an account, or cards of it, that are looked up at a time.
ENTRIES = 500


class Reconciliation:
    """One comparison: first `cards`, all that the ledger has, then `accounts`, what it may have lost.

    Asks for each card's statement once, of the cards that the ledger knows and of those on which it has lost something;
    `every_card`: of those too that only the backend knows, where it lists its cards and not what happened on them.
    Keeps in mind the names in one bucket (a 128th of all), one card with its statement, and some names of what was
    lost; never all transactions. What happened since it began, or less than a lease and the backend's read lag before,
    is left to the next run. With `repair`, does what is provably right: resolves what is open, writes down again what
    Redis has lost, closes what the backend let run out. A backend that fails is a difference, not an error; every
    method raises LedgerUnavailable.
    """

    def __init__(
        self,
        parts: Parts,
        provider_id: str | None = None,
        since: datetime | None = None,
        *,
        repair: bool = False,
        every_card: bool = False,
        pace: Pace | None = None,
    ) -> None:
        """Of one provider, or of all; of the transactions opened `since`, or of all. `pace`: how fast backends are
        asked; without it, one question after the other.
        """
        self._run = Run(parts, since, repair, began=parts.connection.now_milliseconds())
        self.provider_id = provider_id
        self._every_card = every_card
        self.began = self._run.began
        self.since = since
        self._pace = pace or Pace(None)
        self.compared_of: Counter[str] = Counter()  # how many transactions of each provider were compared
        self.cards_of: Counter[str] = Counter()  # of how many of its cards the statement was there
        self.failed: dict[str, str] = {}  # which provider's backend did not answer, and why
        self._known: Counter[str] = Counter()  # how many transactions of each provider the ledger has
        self._left_out: Counter[tuple[str, str]] = Counter()  # of which provider, why, how many
        self._failures: Counter[str] = Counter()  # in a row, of each provider
        self._searched: set[tuple[str, str]] = set()  # cards whose statement was looked through for what was lost

    @property
    def providers(self) -> list[str]:
        """The ids of the providers that it is about."""
        return [one.id for one in self._run.parts.registry.all() if self.provider_id in (None, one.id)]

    @property
    def compared(self) -> int:
        """How many transactions were compared."""
        return self.compared_of.total()

    def count(self) -> int:
        """Return how many transactions `cards` will look at, other providers' among them."""
        return self._run.parts.index.count(self._run.since)

    def cards(self, progress: Callable[[int], None]) -> Iterator[Difference]:
        """Yield what differs on the cards that the ledger knows. `progress` is told how many transactions were seen."""
        for (provider_id, card_id), ids in self._cards():
            if self.provider_id in (None, provider_id):
                self._known[provider_id] += len(ids)
                yield from self._card(provider_id, card_id, ids)
            progress(len(ids))
        for (provider_id, reason), count in self._left_out.items():
            yield _not_compared(provider_id, f"transactions: {count}", reason)

    def accounts(self, progress: Callable[[str, int, str], None]) -> Iterator[Difference]:
        """Yield what the backends did for transactions that the ledger does not know, where they list their account.

        `progress` is told of which provider how many "entries" or "cards" were read.
        """
        for provider in self._run.parts.registry.all():
            if self.provider_id not in (None, provider.id):
                continue
            if self._gave_up(provider):
                yield _not_compared(provider.id, LOST, GAVE_UP)
            else:
                yield from self._account(provider, progress)

    # Cards.

    def _cards(self) -> Iterator[tuple[tuple[str, str], list[str]]]:
        """Yield each card (its provider's id, its own) with its transactions: all of them lie in one bucket."""
        addresses = chain.from_iterable(self._run.parts.index.every(self._run.since))
        for _, bucket in groupby(addresses, key=lambda address: names.bucket_of_transaction(address.id)):
            cards: dict[tuple[str, str], list[str]] = defaultdict(list)
            for address in bucket:
                cards[address.provider_id, address.card_id].append(address.id)
            yield from cards.items()

    def _card(self, provider_id: str, card_id: str, ids: list[str]) -> Iterator[Difference]:
        provider = self._run.parts.registry.get(provider_id)
        if provider is None:
            file = self._run.parts.settings.providers
            self._left_out[provider_id, f"{file} has no such provider: put it back to compare them"] += len(ids)
            return
        card = CardComparison(self._run, provider, card_id, ids)
        yield from card.unresolved(repair=self._run.repair and not self._gave_up(provider))
        if not keeps_statement(type(provider.mapper)):
            self._left_out[provider_id, "this backend keeps no statement: compare its own reports"] += len(ids)
        elif self._gave_up(provider):
            self._left_out[provider_id, GAVE_UP] += len(ids)
        elif reason := self._asked(provider, card):
            yield card.not_compared(reason)
        else:
            self.compared_of[provider_id] += len(ids)
            yield from card.differences()

    def _asked(self, provider: Provider, card: CardComparison) -> str | None:
        """Ask for a card's statement; return why it is not there, None where it is."""
        self._pace.wait()
        try:
            card.ask()
        except (BackendUnavailable, OutcomeUnknown) as error:
            self._failures[provider.id] += 1
            self.failed[provider.id] = str(error)
            return str(error)
        except MapperError as error:
            return str(error)
        self._failures[provider.id] = 0
        self.cards_of[provider.id] += 1
        return None

    def _gave_up(self, provider: Provider) -> bool:
        return self._failures[provider.id] >= FAILURES_IN_A_ROW

    # Accounts.

    def _account(self, provider: Provider, progress: Callable[[str, int, str], None]) -> Iterator[Difference]:
        run = self._run
        try:
            for entries in self._pages(provider.mapper.statement(run.seconds, since=run.since)):
                yield from self._lost(provider, entries)
                progress(provider.id, len(entries), "entries")
        except Unsupported as error:
            if self._every_card and keeps_statement(type(provider.mapper)):
                yield from self._unknown_cards(provider, progress)
            # Its cards were compared one by one. Where there are none, nothing was: Redis may have lost them all.
            elif run.since is None and not self._known[provider.id]:
                yield _not_compared(provider.id, "no transaction", str(error))
        except MapperError as error:
            self.failed[provider.id] = str(error)
            yield _not_compared(provider.id, LOST, str(error))

    def _lost(self, provider: Provider, entries: Iterable[StatementLine]) -> Iterator[Difference]:
        run = self._run
        noted = [(entry, entry.origin.transaction_id) for entry in entries if entry.key and entry.origin]
        known = run.parts.index.known(dict.fromkeys(name for _, name in noted))
        for entry, name in noted:
            moment = milliseconds(entry.date)
            if name in known or run.was_told(name) or not run.includes(moment) or run.may_be_forgotten(moment):
                continue
            if run.is_for_the_next(provider, moment):
                continue
            if run.repair:
                yield from self._lost_on(provider, entry.card_id)
            if lost := run.lost(provider, entry):
                yield lost

    def _lost_on(self, provider: Provider, card_id: str) -> Iterator[Difference]:
        """Yield what differs on a card on which something was lost, and repair it: all of it from one statement."""
        if (provider.id, card_id) in self._searched or self._gave_up(provider):
            return
        if len(self._searched) >= REMEMBERED:
            self._searched.clear()
        self._searched.add((provider.id, card_id))
        card = CardComparison(self._run, provider, card_id, [])
        if self._asked(provider, card) is None:
            yield from card.differences()

    def _unknown_cards(self, provider: Provider, progress: Callable[[str, int, str], None]) -> Iterator[Difference]:
        """Yield what differs on the cards that the backend lists and the ledger does not know."""
        run = self._run
        left_out: Counter[str] = Counter()
        try:
            for page in self._pages(provider.mapper.cards(run.seconds)):
                known = run.parts.index.cards_with_transactions(provider.id, page, run.since)
                for card_id in dict.fromkeys(page):
                    if card_id in known or self._gave_up(provider):
                        continue
                    card = CardComparison(run, provider, card_id, [])
                    if reason := self._asked(provider, card):
                        left_out[reason] += 1
                    else:
                        yield from card.differences()
                progress(provider.id, len(page), "cards")
                if self._gave_up(provider):
                    yield _not_compared(provider.id, LOST, GAVE_UP)
                    break
        except MapperError as error:
            self.failed[provider.id] = str(error)
            yield _not_compared(provider.id, LOST, str(error))
        for reason, number in left_out.items():
            yield _not_compared(provider.id, f"cards: {number}", reason)

    def _pages(self, found: Iterable[T]) -> Iterator[list[T]]:
        """Yield what is found page by page; what came before an error, before it is raised."""
        page: list[T] = []
        self._pace.wait()
        try:
            for one in found:
                page.append(one)
                if len(page) == ENTRIES:
                    yield page
                    self._pace.wait()
                    page = []
        except MapperError:
            if page:
                yield page
            raise
        if page:
            yield page


def _not_compared(provider_id: str, ledger: str, reason: str) -> Difference:
    return Difference(provider_id, None, None, None, "not compared", ledger, reason)
