"""A backup is taken while shoppers pay, and restored elsewhere: all agrees, it goes on, and nothing is paid twice."""

from __future__ import annotations

import gzip
import random
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from app.admin.backups import backup, file
from app.admin.backups.file import BackupRefused
from app.ledger.errors import LedgerError
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.storage import copies
from app.ledger.storage.connection import Connection
from app.ledger.storage.copies import Copies, Entry
from app.ledger.storage.identity import ClosedLedger, Identity
from app.ledger.sweeper import LEAD
from app.ledger.transaction import Operation
from mappers.base import Holds, MapperError
from tests.ledger.system import MakeSystem, System
from tests.money import minor
from tests.stored import rewrite

CARDS = [f"card-{number}" for number in range(4)]

# More than all orders: what was settled after a backup is gone from the card, and at first reserved yet.
ON_EACH_CARD = 100_000

# One call of VTEX: what, of which order, how much, its requestId.
Call = tuple[str, int, str, str]


@dataclass
class Store:
    """A store whose shoppers pay with a few cards. Every call can be repeated, as VTEX does."""

    system: System
    chance: random.Random
    calls: list[Call] = field(default_factory=list)
    transactions: dict[int, str] = field(default_factory=dict)
    happened: int = 0

    def __post_init__(self) -> None:
        self.system.backend.balances = dict.fromkeys(CARDS, ON_EACH_CARD)

    def go_on(self) -> None:
        """Let something happen that has not happened before."""
        known = sorted(self.transactions)
        what = self.chance.choice(["authorize", "authorize", "settle", "cancel"]) if known else "authorize"
        self.happened += 1
        order = self.happened if what == "authorize" else self.chance.choice(known)
        call = (what, order, f"{self.chance.randint(1, 30)}.00", f"request-{self.happened}")
        with suppress(MapperError, LedgerError):  # refused: it is too much
            self._make(call)
            self.calls.append(call)

    def repeat_everything(self) -> None:
        """Let VTEX make all calls again that went well."""
        for call in self.calls:
            self._make(call)

    def _make(self, call: Call) -> None:
        what, order, value, request_id = call
        ledger, provider, card = self.system.ledger, self.system.provider, CARDS[order % len(CARDS)]
        if what == "authorize":
            request = AuthorizationRequest(card, Operation.DEBIT, minor(value), request_id)
            self.transactions[order] = ledger.authorize(provider, request, System.deadline())
        else:
            change = ChangeRequest(card, self.transactions[order], minor(value), request_id)
            (ledger.settle if what == "settle" else ledger.cancel)(provider, change, System.deadline())

    def totals(self) -> dict[str, tuple[int, ...]]:
        """Return what is held, settled, voided and refunded of each transaction."""
        records = [one for one in map(self.system.storage.load, self.transactions.values()) if one]
        return {one.id: (one.amount, one.captured, one.voided, one.refunded) for one in records}

    def lists(self) -> dict[str, list[str]]:
        """Return the transactions of each card."""
        index, provider = self.system.index, self.system.provider
        return {card: sorted(index.of_card(provider.id, card)) for card in CARDS}

    def check_the_money(self) -> None:
        """What the backend has on each card is what the ledger says, and no step had its effect twice."""
        assert set(self.system.backend.effects.values()) <= {1}
        for card in CARDS:
            records = [self.system.record(one) for order, one in self.transactions.items() if CARDS[order % 4] == card]
            taken = sum(one.captured - one.refunded for one in records)
            held = sum(one.amount - one.captured - one.voided for one in records)
            native = self.system.mapper.holds is Holds.NATIVE
            assert self.system.backend.balances[card] == ON_EACH_CARD - taken - (held if native else 0)
            reserved = self.system.storage.standing(self.system.provider.backend.account, card).reserved
            assert reserved == (0 if native else held)


@pytest.fixture
def elsewhere(another_redis_url: str) -> Iterator[Connection]:
    with closing(Connection.to(another_redis_url, timeout_seconds=5, connections=80)) as connection:
        yield connection


def buckets(connection: Connection) -> dict[str, dict[str, Entry]]:
    """Return everything in Redis, bucket by bucket."""
    found: dict[str, dict[str, Entry]] = {}
    for entry in Copies(connection).entries():
        found.setdefault(entry.key.partition("}")[0], {})[entry.key] = entry
    return found


def same(one: dict[str, Entry], other: dict[str, Entry]) -> bool:
    return one.keys() == other.keys() and all(entry.same_as(other[key]) for key, entry in one.items())


def take(system: System, path: Path) -> str:
    """Take a backup of the ledger, and return its id."""
    ledger_id = Identity(system.connection).ensure()
    with file.whole(path) as stream:
        backup.back_up(system.connection, ledger_id, stream)
    return ledger_id


def restore(connection: Connection, path: Path, replace: str | None = None) -> backup.Restored:
    return backup.restore(connection, path, replace=replace, allow_unsafe=False, watch_seconds=0)


@pytest.mark.parametrize("holds", [Holds.NATIVE, Holds.LEDGER])
@pytest.mark.parametrize("seed", range(4))
def test_a_backup_taken_while_shoppers_pay_has_each_bucket_as_it_was_at_one_moment(
    make_system: MakeSystem,
    elsewhere: Connection,
    tmp_path: Path,
    seed: int,
    holds: Holds,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(make_system(holds), random.Random(seed))
    ledger_id = Identity(store.system.connection).ensure()
    for _ in range(20):
        store.go_on()
    moments = [buckets(store.system.connection)]
    monkeypatch.setattr(copies, "KEYS_AT_A_TIME", 5)

    def paying(entries: Iterator[Entry]) -> Iterator[Entry]:
        for count, entry in enumerate(entries):
            yield entry
            if count % 7 == 0 and store.happened < 40:
                store.go_on()
                moments.append(buckets(store.system.connection))

    whole = Copies.entries
    monkeypatch.setattr(Copies, "entries", lambda self: paying(whole(self)))
    with file.whole(tmp_path / "backup") as stream:
        backup.back_up(store.system.connection, ledger_id, stream)
    monkeypatch.undo()
    assert store.happened == 40
    restore(elsewhere, tmp_path / "backup")
    restored = buckets(elsewhere)
    for moment in moments:
        for bucket, keys in moment.items():
            for each in (keys, restored.get(bucket, {})):
                each.pop(f"{bucket}}}:complete", None)  # nobody knows what the backend did since
    for bucket in {bucket for moment in moments for bucket in moment if bucket.startswith("gb:{b")}:
        assert any(same(restored.get(bucket, {}), moment.get(bucket, {})) for moment in moments), bucket


@pytest.mark.parametrize("holds", [Holds.NATIVE, Holds.LEDGER])
@pytest.mark.parametrize("seed", range(4))
def test_after_a_restore_vtex_repeats_its_calls_and_nothing_is_paid_twice(
    make_system: MakeSystem, elsewhere: Connection, tmp_path: Path, seed: int, holds: Holds
) -> None:
    store = Store(make_system(holds), random.Random(seed))
    for _ in range(25):
        store.go_on()
    ledger_id = take(store.system, tmp_path / "backup")
    totals, lists = store.totals(), store.lists()
    for _ in range(15):
        store.go_on()  # is forgotten
    before = store.totals()

    assert restore(elsewhere, tmp_path / "backup").ledger == ledger_id
    goes_on = make_system(holds, connection=elsewhere).serving(store.system)
    store.system = goes_on
    assert store.totals() == totals
    assert store.lists() == lists
    store.repeat_everything()
    assert store.totals() == before
    store.check_the_money()
    for _ in range(15):
        store.go_on()
    store.check_the_money()


def test_what_was_written_after_the_backup_is_doubted_once(
    make_system: MakeSystem, elsewhere: Connection, tmp_path: Path
) -> None:
    system = make_system(Holds.NATIVE)
    transaction = system.authorize("40.00")
    system.settle(transaction, "10.00")
    system.parts.history.look()
    take(system, tmp_path / "backup")
    restored = restore(elsewhere, tmp_path / "backup")
    goes_on = make_system(Holds.NATIVE, connection=elsewhere).serving(system)
    [doubt] = goes_on.parts.history.look()  # as the sweeper does: the new Redis is no reason for a second doubt
    assert doubt.since == restored.taken_at.timestamp() * 1000
    assert doubt.concerns(goes_on.record(transaction))


def test_a_settlement_after_the_backup_is_not_undone_by_the_restored_ledger(
    make_system: MakeSystem, elsewhere: Connection, tmp_path: Path
) -> None:
    system = make_system(Holds.UPFRONT)
    before = system.backend.spendable
    transaction = system.authorize("40.00")
    take(system, tmp_path / "backup")
    system.settle(transaction, "40.00")
    restore(elsewhere, tmp_path / "backup")
    goes_on = make_system(Holds.UPFRONT, connection=elsewhere).serving(system)
    let_run_out(goes_on, transaction)
    goes_on.sweep()
    assert system.backend.spendable == before - 4_000
    goes_on.parts.history.trust(goes_on.parts.history.doubts())
    goes_on.sweep()
    assert system.backend.spendable == before, "a person's word ends the doubt"


def let_run_out(system: System, transaction: str) -> None:
    """Let the time of an authorization be over."""
    rewrite(system.connection._client, transaction, expires_at=1)


class TestFile:
    """What stands in the file, and who may read it."""

    @pytest.fixture
    def path(self, make_system: MakeSystem, tmp_path: Path) -> Path:
        system = make_system()
        system.authorize("40.00")
        take(system, tmp_path / "backup")
        return tmp_path / "backup"

    def test_only_its_user_reads_it_and_nothing_else_is_left(self, path: Path) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [*path.parent.iterdir()] == [path]

    def test_it_replaces_no_file(self, path: Path) -> None:
        before = path.read_bytes()
        with pytest.raises(BackupRefused, match="replaces no file"), file.whole(path):
            raise AssertionError("it must not begin")
        assert path.read_bytes() == before

    def test_a_backup_that_is_interrupted_leaves_no_file(self, tmp_path: Path) -> None:
        with suppress(KeyboardInterrupt), file.whole(tmp_path / "backup") as stream:
            stream.write(b"a part")
            raise KeyboardInterrupt
        assert not [*tmp_path.iterdir()]

    def test_a_folder_that_is_missing_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(BackupRefused, match="cannot be written"), file.whole(tmp_path / "missing/backup"):
            raise AssertionError("it must not begin")

    def test_a_file_that_was_cut_off_anywhere_is_refused_before_anything_is_written(
        self, path: Path, elsewhere: Connection
    ) -> None:
        whole = path.read_bytes()
        for length in range(0, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:length])
            with pytest.raises(BackupRefused):
                restore(elsewhere, path)
        assert Copies(elsewhere).is_empty()

    @pytest.mark.parametrize("line", ["first", "middle", "last", "lost", "twice"])
    def test_a_file_that_was_changed_is_refused_before_anything_is_written(
        self, path: Path, elsewhere: Connection, line: str
    ) -> None:
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        match line:
            case "first":
                lines[0] = lines[0].replace(b'"taken_at":1', b'"taken_at":2')
            case "middle":
                changed = next(number for number, one in enumerate(lines) if b"4000" in one)
                lines[changed] = lines[changed].replace(b"4000", b"9000")
            case "last":
                lines[-1] = lines[-1].replace(b'"sha256":"', b'"sha256":"0')
            case "lost":
                del lines[1]
            case _:
                lines.insert(1, lines[1])
        path.write_bytes(gzip.compress(b"".join(lines)))
        with pytest.raises(BackupRefused, match="not what was written"):
            restore(elsewhere, path)
        assert Copies(elsewhere).is_empty()

    @pytest.mark.parametrize("content", [None, b"text", b"", b"[1]\n{}\n"], ids=str)
    def test_another_file_is_refused(self, tmp_path: Path, elsewhere: Connection, content: bytes | None) -> None:
        (tmp_path / "other").write_bytes(b"text" if content is None else gzip.compress(content))
        with pytest.raises(BackupRefused, match="no whole backup"):
            restore(elsewhere, tmp_path / "other")

    def test_a_backup_of_a_later_version_is_refused(self, path: Path, elsewhere: Connection) -> None:
        text = gzip.decompress(path.read_bytes()).replace(b'"format":1', b'"format":9')
        path.write_bytes(gzip.compress(text))
        with pytest.raises(BackupRefused, match="format 9, made by giftbridge"):
            restore(elsewhere, path)

    def test_a_file_that_is_missing_is_named(self, tmp_path: Path, elsewhere: Connection) -> None:
        with pytest.raises(BackupRefused, match="No such file"):
            restore(elsewhere, tmp_path / "missing")


class TestWhatIsThere:
    """A restore into a Redis that has something."""

    @pytest.fixture
    def system(self, make_system: MakeSystem, tmp_path: Path) -> System:
        system = make_system()
        system.authorize("40.00")
        take(system, tmp_path / "backup")
        system.parts.history.look()
        return system

    def test_the_same_ledger_is_newer_and_stays(self, system: System, tmp_path: Path) -> None:
        before = system.stored()
        with pytest.raises(BackupRefused, match=r"the same ledger .* last worked on at .* would take its place"):
            restore(system.connection, tmp_path / "backup")
        assert system.stored() == before

    def test_another_ledger_stays(self, system: System, elsewhere: Connection, tmp_path: Path) -> None:
        other = Identity(elsewhere).ensure()
        with pytest.raises(BackupRefused, match=f"another ledger, {other}.* --replace {other}"):
            restore(elsewhere, tmp_path / "backup", replace="wrong")
        assert Identity(elsewhere).read() == other

    def test_a_ledger_goes_where_its_id_is_told(self, system: System, tmp_path: Path) -> None:
        ledger_id = Identity(system.connection).read()
        forgotten = system.authorize("10.00", "order-2")
        restore(system.connection, tmp_path / "backup", replace=ledger_id)
        assert system.storage.load(forgotten) is None
        assert Identity(system.connection).read() == ledger_id

    def test_a_ledger_that_a_service_sweeps_stays(self, system: System, tmp_path: Path) -> None:
        assert system.parts.fleet.lead(LEAD, "a service", timedelta(minutes=1))
        with pytest.raises(BackupRefused, match="a service works on"):
            restore(system.connection, tmp_path / "backup", replace=Identity(system.connection).read())

    @pytest.mark.parametrize("why", ["", "the ledger has moved"])
    def test_a_ledger_stays_whose_service_shows_itself_late(
        self, system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
    ) -> None:
        def take_the_lead(_: float) -> None:
            assert system.parts.fleet.lead(LEAD, "a service", timedelta(minutes=1))

        monkeypatch.setattr("app.admin.backups.destination.time.sleep", take_the_lead)
        identity, path = Identity(system.connection), tmp_path / "backup"
        if why:
            identity.close(why)
        before = system.stored()
        with pytest.raises(BackupRefused, match="a service works on"):
            backup.restore(system.connection, path, replace=identity.read(), allow_unsafe=False, watch_seconds=60)
        assert before.items() <= system.stored().items()
        assert (identity.closed() or "") == why

    def test_keys_without_a_ledger_stay(self, system: System, elsewhere: Connection, tmp_path: Path) -> None:
        elsewhere._client.set("gb:documents:x", "1")
        with pytest.raises(BackupRefused, match="no ledger: empty it"):
            restore(elsewhere, tmp_path / "backup")

    def test_a_redis_that_may_forget_is_refused(self, system: System, elsewhere: Connection, tmp_path: Path) -> None:
        elsewhere._client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with pytest.raises(BackupRefused, match="must not hold money"):
                restore(elsewhere, tmp_path / "backup")
        finally:
            elsewhere._client.config_set("maxmemory-policy", "noeviction")

    def test_no_service_starts_on_a_part_of_a_ledger_and_the_restore_can_be_done_again(
        self, system: System, elsewhere: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(_: object, entries: Iterator[Entry]) -> Iterator[list[Entry]]:
            yield from whole(Copies(elsewhere), [next(entries) for _ in range(3)])
            raise KeyboardInterrupt

        whole = Copies.write
        monkeypatch.setattr(Copies, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            restore(elsewhere, tmp_path / "backup")
        monkeypatch.undo()
        assert not Copies(elsewhere).is_empty()
        with pytest.raises(ClosedLedger, match="do it again"):
            Identity(elsewhere).ensure()
        restore(elsewhere, tmp_path / "backup")
        assert Identity(elsewhere).ensure() == Identity(system.connection).read()
