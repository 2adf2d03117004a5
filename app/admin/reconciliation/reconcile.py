"""The comparison of the ledger with what each backend has on record, step by step."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain, groupby, islice

from app.admin.reconciliation.card import CardComparison
from app.admin.reconciliation.run import Difference, Run
from app.ledger import names
from app.ledger.milliseconds import milliseconds
from app.parts import Parts
from mappers.base import BackendUnavailable, MapperError, OutcomeUnknown, StatementLine, Unsupported
from mappers.capabilities import keeps_statement
from providers.provider import Provider

# A backend that is down would make a million cards wait for their deadlines, one after the other.
FAILURES_IN_A_ROW = 3
GAVE_UP = f"not asked any more after {FAILURES_IN_A_ROW} failures in a row: try again later"

# Entries of an account that are looked up at a time.
ENTRIES = 500

LOST = "what it may have lost"


class Reconciliation:
    """One comparison: first `cards`, all that the ledger has, then `accounts`, what it may have lost.

    Keeps in mind the names in one bucket (a 128th of all), one card with its statement, and some names of what was
    lost; never all transactions. What happened since it began, or less than a lease and the backend's read lag before,
    is left to the next run. With `repair`, does what is provably right: resolves what is open, writes down again what
    Redis has lost, closes what the backend let run out. A backend that fails is a difference, not an error; every
    method raises LedgerUnavailable.
    """

    def __init__(
        self, parts: Parts, provider_id: str | None = None, since: datetime | None = None, *, repair: bool = False
    ) -> None:
        """Of one provider, or of all; of the transactions opened `since`, or of all."""
        self._run = Run(parts, since, repair, began=parts.connection.now_milliseconds())
        self._provider_id = provider_id
        self.compared = 0  # transactions
        self._known: Counter[str] = Counter()  # how many transactions of each provider the ledger has
        self._left_out: Counter[tuple[str, str]] = Counter()  # of which provider, why, how many
        self._failures: Counter[str] = Counter()  # in a row, of each provider

    def count(self) -> int:
        """Return how many transactions `cards` will look at, other providers' among them."""
        return self._run.parts.index.count(self._run.since)

    def cards(self, progress: Callable[[int], None]) -> Iterator[Difference]:
        """Yield what differs on the cards that the ledger knows. `progress` is told how many transactions were seen."""
        for (provider_id, card_id), ids in self._cards():
            if self._provider_id in (None, provider_id):
                self._known[provider_id] += len(ids)
                yield from self._card(provider_id, card_id, ids)
            progress(len(ids))
        for (provider_id, reason), count in self._left_out.items():
            yield _not_compared(provider_id, f"transactions: {count}", reason)

    def accounts(self, progress: Callable[[str, int], None]) -> Iterator[Difference]:
        """Yield what the backends did for transactions that the ledger does not know, where they list their account.

        `progress` is told how many entries of which provider were read.
        """
        for provider in self._run.parts.registry.all():
            if self._provider_id not in (None, provider.id):
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
            return
        if self._gave_up(provider):
            self._left_out[provider_id, GAVE_UP] += len(ids)
            return
        try:
            card.ask()
        except (BackendUnavailable, OutcomeUnknown) as error:
            self._failures[provider_id] += 1
            yield card.not_compared(str(error))
        except MapperError as error:
            yield card.not_compared(str(error))
        else:
            self._failures[provider_id] = 0
            self.compared += len(ids)
            yield from card.differences()

    def _gave_up(self, provider: Provider) -> bool:
        return self._failures[provider.id] >= FAILURES_IN_A_ROW

    # Accounts.

    def _account(self, provider: Provider, progress: Callable[[str, int], None]) -> Iterator[Difference]:
        run = self._run
        try:
            statement = provider.mapper.statement(run.seconds, since=run.since)
            while entries := list(islice(statement, ENTRIES)):
                yield from self._lost(provider, entries)
                progress(provider.id, len(entries))
        except Unsupported as error:
            # Its cards were compared one by one. Where there are none, nothing was: Redis may have lost them all.
            if run.since is None and not self._known[provider.id]:
                yield _not_compared(provider.id, "no transaction", str(error))
        except MapperError as error:
            yield _not_compared(provider.id, LOST, str(error))

    def _lost(self, provider: Provider, entries: Iterable[StatementLine]) -> Iterator[Difference]:
        run = self._run
        noted = [(entry, entry.origin.transaction_id) for entry in entries if entry.key and entry.origin]
        known = run.parts.index.known(dict.fromkeys(name for _, name in noted))
        for entry, name in noted:
            moment = milliseconds(entry.date)
            if name in known or not run.includes(moment) or run.is_for_the_next(provider, moment):
                continue
            if lost := run.lost(provider, entry):
                yield lost


def _not_compared(provider_id: str, ledger: str, reason: str) -> Difference:
    return Difference(provider_id, None, None, None, "not compared", ledger, reason)
