"""What waits for a person, or soon will: what the command, the doctor, notices, console and metrics tell of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from typing import Self

from app.admin.reconciliation import results, schedule
from app.admin.transactions.views import WORDS
from app.ledger import names
from app.ledger.milliseconds import milliseconds, moment
from app.ledger.storage.index import Row
from app.ledger.transaction import ActRecord, ActState, State, Transaction
from app.parts import Parts
from mappers.base import ActKind

# An act is tried again every 10 minutes at least, and an authorization that nobody repeats is undone after 15.
RESOLVED_WITHIN = timedelta(minutes=15)

# Whatever is unresolved is looked at again within this: a parked act's hour, or a lease.
LOOKED_AT_WITHIN = timedelta(hours=2)

# What is due is looked at every few seconds; older than this, nobody looks.
LONGEST_OVERDUE = timedelta(minutes=5)

# Read from Redis at a time.
ROWS = 100

# Counted of each kind at most: from there on it is only known that there are more.
COUNTED = 1000


class Kind(StrEnum):
    """Why something waits for a person, in the order in which it is listed."""

    SWEEPER = "sweeper"  # what is due is not looked at
    DOUBT = "doubt"  # Redis may have forgotten changes
    PARKED = "parked"  # the backend cannot tell what became of an act
    LATE = "late"  # an act succeeded after it was refused, and is not accounted for
    REFUSED = "refused"  # a settlement or cancellation was refused and is missing
    UNRESOLVED = "unresolved"  # the outcome of an act is unknown for longer than it should be
    DIFFERENCE = "difference"  # the last reconciliation found it
    NOT_RECONCILED = "not reconciled"  # the last reconciliation could not be finished
    EXPIRING = "expiring"  # a hold runs out soon, and nothing has settled it


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing that waits for a person.

    `key` names it for as long as it waits. `what` says what happened, `money` what it means in money, `remedy` what to
    do; each is one sentence for people. `command` is where to begin. `until`: when it ends by itself. Amounts are in
    major units. No code, no card and no customer is in any of it.

    Whoever has sentences of their own makes them of the fields: `act_kind` and `own_wish` (the ledger wants the act by
    itself, and tries it again) tell of an act, `difference` what kind of difference it is, and `detail` what a backend
    or a check said, in English.
    """

    kind: Kind
    key: str
    since: datetime
    what: str
    money: str
    remedy: str
    command: str
    provider: str | None = None
    order: str | None = None
    transaction: str | None = None
    act: int | None = None
    amount: Decimal | None = None
    currency: str | None = None
    until: datetime | None = None
    act_kind: ActKind | None = None
    own_wish: bool = False
    difference: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list. As text it can be handed from page to page."""

    kind: Kind
    row: Row

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        kind, _, place = text.partition("~")
        date, _, name = place.partition("~")
        if kind not in list(Kind) or not date.isascii() or not date.isdigit():
            raise ValueError("must be what the page before gave as its next")
        return cls(Kind(kind), Row(int(date), name))

    def __str__(self) -> str:
        return f"{self.kind}~{self.row.date}~{self.row.id}"


@dataclass(frozen=True, slots=True)
class Page:
    """Things that wait, by kind and then oldest first, and where the next page begins; None when there is none."""

    items: tuple[Attention, ...]
    after: Cursor | None


@dataclass(frozen=True, slots=True)
class Counted:
    """How much of a kind waits. `more`: it may be more, as nobody looked further."""

    number: int
    more: bool


def page(
    parts: Parts,
    limit: int,
    after: Cursor | None = None,
    kinds: Collection[Kind] = tuple(Kind),
    look_at: int | None = None,
) -> Page:
    """Return a page of what waits for a person; all of a transaction stands on one page. Raises LedgerUnavailable.

    `look_at`: about so many transactions of a kind at most; a page may have few things then, and be followed by
    another.
    """
    look = _Look(parts, look_at)
    items: list[Attention] = []
    place: Cursor | None = None
    order = list(Kind)
    begin = order.index(after.kind) if after else 0
    for kind in order[begin:]:
        if kind not in kinds:
            continue
        for row, found in look.at(kind, after.row if after and after.kind is kind else Row(0, "")):
            if items and len(items) + len(found) > limit:
                return Page(tuple(items), place)
            items += found
            place = Cursor(kind, row)
        if (ended := look.ended.get(kind)) is not None:
            return Page(tuple(items), Cursor(kind, ended))
    return Page(tuple(items), None)


def counts(parts: Parts, most: int = COUNTED, look_at: int | None = None) -> dict[Kind, Counted]:
    """Return how much of each kind waits, `most` at most; `look_at` as for a page. Raises LedgerUnavailable."""
    look, found = _Look(parts, look_at), {}
    for kind in Kind:
        number = sum(1 for _ in islice(look.each(kind), most))
        found[kind] = Counted(number, number == most or kind in look.ended)
    return found


Found = Iterator[tuple[Row, Sequence[Attention]]]


@dataclass(slots=True)
class _Look:
    """One look at a ledger: a place in its order, with what waits there, kind by kind.

    `look_at`: so many transactions of a kind at most. `ended` has the kinds where there are more, and where to go on;
    None where the next look begins anew.
    """

    parts: Parts
    look_at: int | None = None
    ended: dict[Kind, Row | None] = field(default_factory=dict)
    now: int = field(init=False)
    _parked: frozenset[str] | None = field(default=None)

    def __post_init__(self) -> None:
        self.now = self.parts.connection.now_milliseconds()

    def at(self, kind: Kind, after: Row) -> Found:
        """Yield what comes after a place, in order."""
        kinds: dict[Kind, Callable[[Row], Found]] = {
            Kind.SWEEPER: self._sweeper,
            Kind.DOUBT: self._doubts,
            Kind.PARKED: lambda row: self._transactions(kind, self._ids_of_parked(), row, _parked),
            Kind.LATE: lambda row: self._transactions(kind, self._ids_of_parked(), row, self._late),
            Kind.REFUSED: lambda row: self._transactions(kind, self.parts.index.refused(), row, self._refused),
            Kind.UNRESOLVED: lambda row: self._transactions(kind, self._ids_of_unresolved(), row, self._unresolved),
            Kind.DIFFERENCE: self._differences,
            Kind.NOT_RECONCILED: self._not_reconciled,
            Kind.EXPIRING: self._expiring,
        }
        return kinds[kind](after)

    def each(self, kind: Kind) -> Iterator[object]:
        """Yield something for each thing that waits: of holds, which may be many, only what the index has."""
        start = Row(0, "")
        if kind is Kind.EXPIRING:
            return self.expiring_rows(start)
        return (item for _, items in self.at(kind, start) for item in items)

    # Of transactions.

    def _ids_of_parked(self) -> frozenset[str]:
        if self._parked is None:
            self._parked = frozenset(self.parts.index.parked())
        return self._parked

    def _ids_of_unresolved(self) -> list[str]:
        ids, all_of_them = self.parts.index.unresolved_within(LOOKED_AT_WITHIN, self.look_at)
        if not all_of_them:
            self.ended[Kind.UNRESOLVED] = None  # what is due soonest comes first, not what is oldest
        return ids

    def _transactions(
        self, kind: Kind, ids: Iterable[str], after: Row, found: Callable[[Transaction], Iterable[Attention]]
    ) -> Found:
        rows = [row for row in self.parts.index.dated(ids) if row > after]
        if self.look_at is not None and len(rows) > self.look_at:
            rows = rows[: self.look_at]
            self.ended[kind] = rows[-1]
        for row, record in self._loaded(rows):
            if items := tuple(found(record)):
                yield row, items

    def _loaded(self, rows: Sequence[Row]) -> Iterator[tuple[Row, Transaction]]:
        for start in range(0, len(rows), ROWS):
            some = rows[start : start + ROWS]
            records = {record.id: record for record in self.parts.storage.load_many([row.id for row in some])}
            yield from ((row, records[row.id]) for row in some if row.id in records)

    def _late(self, record: Transaction) -> Iterator[Attention]:
        if (found := self._late_act(record)) is None:
            return
        act, date = found
        verb = "taken from" if act.kind in (ActKind.CAPTURE, ActKind.DEBIT) else "given back to"
        yield _of(
            record,
            act,
            Kind.LATE,
            since=date,
            what=f"{_named(record, act)} was refused, and happened at the backend after all, too late to count.",
            money=f"{_money(record, act.amount)} may have been {verb} the card beyond what the ledger has.",
            remedy="Look at the card at the backend and correct it there; then this says that it is seen to.",
            command=f"giftbridge transactions resolve {record.id} --did-not-happen",
        )

    def _late_act(self, record: Transaction) -> tuple[ActRecord, int] | None:
        """Return what succeeded too late to count, and when; None where a parked act of it comes first."""
        if record.id not in self._ids_of_parked() or _is_parked(record):
            return None
        for event in reversed(self.parts.storage.events(record.id)):
            act = record.act_named(event["act"]) if event["what"] == "late, not counted" else None
            if act is not None:
                return act, event["at"]
        return None

    def _refused(self, record: Transaction) -> Iterator[Attention]:
        late = self._late_act(record)
        for act in missing(record):
            if late is not None and act.number == late[0].number:
                continue  # it is listed as that
            not_done = "taken" if act.kind is ActKind.CAPTURE else "given back"
            by_itself = "" if act.asked_for else " giftbridge tries it again once a day."
            yield _of(
                record,
                act,
                Kind.REFUSED,
                what=f"The backend refused {_named(record, act)}{f': {act.error}' if act.error else ''}.",
                money=f"{_money(record, act.amount)} were not {not_done}, nor was anything like it since.{by_itself}",
                remedy="See what can still be done, or that it never will be: this shows both.",
                command=f"giftbridge transactions show {record.id}",
            )

    def _unresolved(self, record: Transaction) -> Iterator[Attention]:
        act = record.unresolved_act
        if act is None or act.state is ActState.PARKED or act.date > self.now - milliseconds(RESOLVED_WITHIN):
            return
        yield _of(
            record,
            act,
            Kind.UNRESOLVED,
            what=f"Nobody knows yet what became of {_named(record, act)}: the backend does not answer, or not clearly.",
            money=_uncertain(record, act),
            remedy="See whether the backend can be reached: giftbridge goes on trying by itself; this tries at once.",
            command=f"giftbridge transactions resolve {record.id}",
        )

    def _expiring(self, after: Row) -> Found:
        rows = self.expiring_rows(after)
        while some := list(islice(rows, ROWS)):
            for row, record in self._loaded(some):
                if record.unresolved is None and record.state is State.AUTHORIZED and record.rest:
                    yield row, (_expiring(record),)

    def expiring_rows(self, after: Row) -> Iterator[Row]:
        """Yield which holds run out soon. One for less than twice the time is told in its second half."""
        within = timedelta(days=self.parts.settings.hold_notice_days)
        after = max(after, Row(self.now, ""))
        holds, last = self.parts.index.holds_ending(after, self.now + milliseconds(within)), after
        for number, (row, authorized_for) in enumerate(holds):
            if number == self.look_at:
                self.ended[Kind.EXPIRING] = last
                return
            last = row
            if authorized_for is not None and (
                not authorized_for or row.date <= self.now + milliseconds(authorized_for / 2)
            ):
                yield row

    # Of the whole ledger.

    def _sweeper(self, after: Row) -> Found:
        overdue = self.parts.index.overdue()
        if overdue <= LONGEST_OVERDUE or after.date:
            return
        yield (
            Row(1, ""),
            (
                Attention(
                    kind=Kind.SWEEPER,
                    key="sweeper",
                    since=moment(self.now) - overdue,
                    what=f"The oldest unfinished transaction has been due for {span(overdue)}.",
                    money="Until somebody looks at what is due, interrupted settlements and cancellations stay open.",
                    remedy="See that giftbridge serve runs, and what its log says was left for later; this looks once.",
                    command="giftbridge sweep",
                ),
            ),
        )

    def _doubts(self, after: Row) -> Found:
        for doubt in self.parts.history.doubts():
            row = Row(doubt.noticed_at, "")
            if row > after:
                item = Attention(
                    kind=Kind.DOUBT,
                    key=f"doubt:{doubt.noticed_at}",
                    since=moment(doubt.noticed_at),
                    what=f"Redis may have forgotten changes: {doubt.reason}.",
                    detail=doubt.reason,
                    money="Open orders of before are not given back by themselves until they are compared with VTEX.",
                    remedy="Compare the orders that this lists with VTEX; giftbridge ledger trust ends the doubt.",
                    command="giftbridge ledger doubts",
                )
                yield row, (item,)

    def _differences(self, after: Row) -> Found:
        number = 0
        again: Counter[str] = Counter()
        for result in results.last(self.parts.documents):
            for found in result.listed:
                if found.kind == "unresolved":
                    continue  # it is listed by itself
                number += 1
                # What the backend calls it may say too much.
                name = found.transaction or names.digest("difference", found.card or "", found.key or "")
                key = f"difference:{found.provider}:{found.kind}:{name}"
                again[key] += 1
                if number <= after.date:
                    continue
                about = f" of transaction {found.transaction}" if found.transaction else ""
                item = Attention(
                    kind=Kind.DIFFERENCE,
                    key=f"{key}:{again[key]}",
                    since=result.finished,
                    what=f"{found.provider} and the ledger disagree{about}: {found.kind}.",
                    money=_sentence(found.meaning),
                    remedy=_sentence(found.remedy),
                    command=f"giftbridge reconcile {found.provider} --last",
                    provider=found.provider,
                    transaction=found.transaction,
                    difference=found.kind,
                    detail=_sentence(found.meaning),
                )
                yield Row(number, ""), (item,)

    def _not_reconciled(self, after: Row) -> Found:
        unknown = "Whether ledger and backend agree on the money there is not known."
        items = [
            Attention(
                kind=Kind.NOT_RECONCILED,
                key=f"not reconciled:{result.provider}",
                since=result.finished,
                what=f"{result.provider} could not be asked about everything that the ledger has: {result.error}.",
                money=unknown,
                remedy="Mend that, and compare again.",
                command=f"giftbridge reconcile {result.provider}",
                provider=result.provider,
                detail=result.error,
            )
            for result in results.last(self.parts.documents)
            if result.error is not None
        ]
        if (late := schedule.late_since(self.parts, self.now)) is not None:
            items.append(
                Attention(
                    kind=Kind.NOT_RECONCILED,
                    key="not reconciled",
                    since=late,
                    what=f"No scheduled comparison has finished since {late:%Y-%m-%d %H:%M} UTC.",
                    money=unknown,
                    remedy="See what the service's log says of reconciliations; this compares now.",
                    command="giftbridge reconcile",
                )
            )
        for number, item in enumerate(items, start=1):
            if number > after.date:
                yield Row(number, ""), (item,)


def _is_parked(record: Transaction) -> bool:
    return record.unresolved_act is not None and record.unresolved_act.state is ActState.PARKED


def _parked(record: Transaction) -> Iterator[Attention]:
    act = record.unresolved_act
    if act is not None and _is_parked(record):
        yield _of(
            record,
            act,
            Kind.PARKED,
            what=f"The backend cannot tell whether {_named(record, act)} happened.",
            money=_uncertain(record, act),
            remedy="Look at the card at the backend, and decide; this shows what was sent and how to say what you saw.",
            command=f"giftbridge transactions show {record.id}",
        )


def missing(record: Transaction) -> list[ActRecord]:
    """Return the refused settlements and cancellations of a transaction in the index of such that are missing: none
    like it was done since, and nobody has seen to it. What the ledger wants by itself is there alone, or not at all."""
    done: defaultdict[ActKind, int] = defaultdict(int)
    found: list[ActRecord] = []
    for act in reversed(record.acts):
        if act.state is ActState.DONE:
            done[act.kind] = max(done[act.kind], act.amount)
        elif act.state is ActState.REFUSED and not (act.opens or act.seen_to) and done[act.kind] < act.amount:
            found.append(act)
    return [act for act in found if act.asked_for] or found


def _expiring(record: Transaction) -> Attention:
    act = record.acts[record.opened_by]
    left = _money(record, record.rest)
    settled = f" of {_money(record, record.amount)}" if record.captured else ""
    return Attention(
        kind=Kind.EXPIRING,
        key=f"expiring:{record.id}:{record.expires_at}",
        since=moment(act.date),
        until=moment(record.expires_at),
        what=f"The hold of {left}{settled}{_order(record)} runs out at {moment(record.expires_at):%Y-%m-%d %H:%M} UTC.",
        money=f"{left} go back to the card then, and can be settled no more.",
        remedy="Settle what was delivered in VTEX; else this takes it now. To let it run out, do nothing.",
        command=f"giftbridge transactions settle {record.id}",
        provider=record.provider_id,
        order=record.memo.order_id,
        transaction=record.id,
        amount=record.backend.currency.to_decimal(record.rest),
        currency=record.backend.currency.code,
    )


def _of(
    record: Transaction,
    act: ActRecord,
    kind: Kind,
    *,
    what: str,
    money: str,
    remedy: str,
    command: str,
    since: int | None = None,
) -> Attention:
    currency = record.backend.currency
    return Attention(
        kind=kind,
        key=f"{kind}:{act.oid}",
        since=moment(act.date if since is None else since),
        what=what[0].upper() + what[1:],
        money=money,
        remedy=remedy,
        command=command,
        provider=record.provider_id,
        order=record.memo.order_id,
        transaction=record.id,
        act=act.number,
        amount=currency.to_decimal(act.amount),
        currency=currency.code,
        act_kind=act.kind,
        own_wish=not act.asked_for,
        detail=str(act.error) if act.error else None,
    )


def _named(record: Transaction, act: ActRecord) -> str:
    return f"the {WORDS[act.kind]} of {_money(record, act.amount)}{_order(record)}"


def _order(record: Transaction) -> str:
    return f" for order {record.memo.order_id}" if record.memo.order_id else ""


def _money(record: Transaction, amount: int) -> str:
    return f"{record.backend.currency.to_decimal(amount)} {record.backend.currency.code}"


def _uncertain(record: Transaction, act: ActRecord) -> str:
    became = {
        ActKind.DEBIT: "be held for it, or gone from the card,",
        ActKind.CREDIT: "be on the card",
        ActKind.CAPTURE: "have been taken",
        ActKind.REVERSAL: "be back on the card",
    }
    return f"{_money(record, act.amount)} may {became[act.kind]} or not."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def span(duration: timedelta) -> str:
    """Return a duration for people."""
    minutes = int(duration.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
