"""Each thing that waits is told once to each target: not lost by a crash, and retried until it is too old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from app.admin.notices import outbox
from app.admin.notices.notice import NotDelivered, Notice
from app.admin.notices.outbox import FAILURES_IN_A_ROW, Outbox
from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection
from app.ledger.storage.documents import Documents
from app.parts import Parts
from app.server.background import Background
from tests.ledger.system import System
from tests.ledger.test_attention import late_success, refused_settlement, runs_out


@dataclass
class Recorder:
    """A target that keeps what it gets, unless it is down or does not take a kind."""

    name: str = "webhook"
    at_a_time: int = 1
    down: bool = False
    refuses: str = ""
    tries: int = 0
    messages: list[list[Notice]] = field(default_factory=list)

    def send(self, notices: Sequence[Notice]) -> None:
        self.tries += 1
        if self.down or self.refuses in {notice.data["kind"] for notice in notices}:
            raise NotDelivered("it is down")
        self.messages.append([*notices])

    @property
    def ids(self) -> list[str]:
        return [notice.id for message in self.messages for notice in message]

    @property
    def kinds(self) -> list[str]:
        return [notice.data["kind"] for message in self.messages for notice in message]


@pytest.fixture
def target() -> Recorder:
    return Recorder()


def later(monkeypatch: pytest.MonkeyPatch, duration: timedelta) -> None:
    """Let so much more time be over."""
    now = Connection.now_milliseconds
    monkeypatch.setattr(
        Connection, "now_milliseconds", lambda connection: now(connection) + int(duration / timedelta(milliseconds=1))
    )


def test_nothing_waits_and_nothing_is_told(system: System, target: Recorder) -> None:
    system.authorize("40.00")
    Outbox(system.parts, [target]).look()
    assert target.messages == []


def test_what_waits_is_told_once(system: System, target: Recorder) -> None:
    transaction = refused_settlement(system)
    box = Outbox(system.parts, [target])
    for _ in range(3):
        box.look()
    Outbox(system.parts, [target]).look()  # another process
    ((notice,),) = target.messages
    assert (notice.data["kind"], notice.data["transaction"], notice.data["amount"]) == ("refused", transaction, "30.00")
    assert notice.data["command"] == f"giftbridge transactions show {transaction}"


def test_each_thing_has_an_id_of_its_own(system: System, target: Recorder) -> None:
    late_success(system)
    system.parts.history.doubt("a backup was restored")
    Outbox(system.parts, [target]).look()
    assert sorted(target.kinds) == ["doubt", "late"]
    assert len({*target.ids}) == 2


def test_what_is_mended_is_forgotten_and_told_again_when_it_happens_again(system: System, target: Recorder) -> None:
    box = Outbox(system.parts, [target])
    for _ in range(2):
        monkey = pytest.MonkeyPatch()
        monkey.setattr("app.ledger.storage.index.Index.overdue", lambda _: timedelta(hours=1))
        box.look()
        monkey.undo()
        box.look()
        assert system.parts.documents.read_all(outbox.COLLECTION) == {}
    assert target.kinds == ["sweeper", "sweeper"]
    assert len({*target.ids}) == 2


def test_several_go_in_one_message_where_the_target_holds_them(system: System) -> None:
    mail = Recorder("mail", at_a_time=1000)
    late_success(system)
    system.parts.history.doubt("a backup was restored")
    Outbox(system.parts, [mail]).look()
    assert [len(message) for message in mail.messages] == [2]


# What fails.


def test_a_target_that_was_down_gets_it_later_under_the_same_id(
    system: System, target: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_settlement(system)
    box = Outbox(system.parts, [target])
    target.down = True
    box.look()
    (entry,) = system.parts.documents.read_all(outbox.COLLECTION).values()
    target.down = False
    box.look()
    assert target.messages == []  # it is left alone for a while
    later(monkeypatch, outbox.FIRST_RETRY)
    box.look()
    assert target.ids == [entry["id"]]


def test_what_was_mended_meanwhile_is_told_even_so(
    system: System, target: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = refused_settlement(system)
    target.down = True
    Outbox(system.parts, [target]).look()
    system.settle(transaction, "30.00", "settle-2")
    target.down = False
    later(monkeypatch, outbox.FIRST_RETRY)
    Outbox(system.parts, [target]).look()
    assert target.kinds == ["refused"]


def test_the_tries_come_later_and_later_until_it_is_given_up(
    system: System, target: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_settlement(system)
    box = Outbox(system.parts, [target])
    target.down = True
    for _ in range(72):
        box.look()
        box.look()
        later(monkeypatch, outbox.LONGEST_RETRY)
    box.look()
    box.look()
    assert target.tries == 73
    (one,) = box.sent(10)
    assert (one.outcome, one.error, one.tries) == ("given up", "it is down", 73)
    (standing,) = box.standings()
    assert (standing.waiting, standing.given_up, standing.error) == (0, 1, "it is down")


def test_a_target_that_is_down_is_asked_a_few_times_at_a_look(system: System, target: Recorder) -> None:
    for number in range(6):
        runs_out(system, system.authorize("1.00", f"order-{number}"), timedelta(hours=1))
    target.down = True
    Outbox(system.parts, [target]).look()
    assert target.tries == FAILURES_IN_A_ROW


def test_one_that_is_never_taken_does_not_keep_the_others_back(system: System, target: Recorder) -> None:
    late_success(system)
    system.parts.history.doubt("a backup was restored")
    target.refuses = "doubt"
    box = Outbox(system.parts, [target])
    box.look()
    assert target.kinds == ["late"]
    (standing,) = box.standings()
    assert (standing.waiting, standing.given_up) == (1, 0)


def test_a_target_that_is_down_keeps_nothing_from_the_other(system: System, target: Recorder) -> None:
    other = Recorder("mail", at_a_time=1000)
    target.down = True
    refused_settlement(system)
    box = Outbox(system.parts, [target, other])
    box.look()
    box.look()
    assert (target.messages, other.kinds) == ([], ["refused"])


def test_a_target_that_is_new_is_told_of_what_waits(system: System, target: Recorder) -> None:
    refused_settlement(system)
    Outbox(system.parts, [target]).look()
    other = Recorder("mail")
    Outbox(system.parts, [target, other]).look()
    assert other.ids == target.ids
    assert len(target.ids) == 1


# A crash.


def test_a_crash_between_finding_and_sending_loses_nothing(system: System, target: Recorder) -> None:
    refused_settlement(system)

    class Killed(Recorder):
        def send(self, notices: Sequence[Notice]) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Outbox(system.parts, [Killed()]).look()
    (entry,) = system.parts.documents.read_all(outbox.COLLECTION).values()
    Outbox(system.parts, [target]).look()
    assert target.ids == [entry["id"]]


def test_a_crash_between_sending_and_writing_it_down_sends_it_again_under_the_same_id(
    system: System, target: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_settlement(system)
    write = Documents.write

    def lost(documents: Documents, collection: str, name: str, document: dict[str, object]) -> None:
        if document["deliveries"]:
            raise LedgerUnavailable("Redis cannot be reached")
        write(documents, collection, name, document)

    with monkeypatch.context() as broken:
        broken.setattr(Documents, "write", lost)
        with pytest.raises(LedgerUnavailable):
            Outbox(system.parts, [target]).look()
    Outbox(system.parts, [target]).look()
    first, second = target.ids
    assert first == second


# The fleet.


def with_target(parts: Parts, target: Recorder, monkeypatch: pytest.MonkeyPatch) -> Parts:
    monkeypatch.setattr("app.server.background.targets", lambda _settings: [target])
    return parts


def test_of_two_services_one_tells_it_once(system: System, target: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    refused_settlement(system)
    parts = with_target(system.parts, target, monkeypatch)
    services = [Background(parts), Background(parts)]
    for _ in range(3):
        for service in services:
            service.look_once()
    assert target.kinds == ["refused"]


def test_when_one_service_ends_the_other_goes_on(
    system: System, target: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = with_target(system.parts, target, monkeypatch)
    first, second = Background(parts), Background(parts)
    first.look_once()
    refused_settlement(system)
    second.look_once()
    assert target.messages == []
    first.start()
    first.stop()
    second.look_once()
    assert target.kinds == ["refused"]


# Floods.


def test_of_very_many_the_first_are_told_once(
    system: System, target: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "TOLD", 2)
    box = Outbox(system.parts, [target])

    def told_after(*orders: str) -> list[str]:
        for _ in range(2):
            box.look()
        found = [notice.data["transaction"] for (notice,) in target.messages]
        assert len(found) == len({*found})
        return [order for order in orders if holds[order] in found]

    holds = {order: system.authorize("1.00", order) for order in ("second", "third", "fourth", "fifth")}
    for hours, transaction in enumerate(holds.values(), start=2):
        runs_out(system, transaction, timedelta(hours=hours))
    assert told_after(*holds) == ["second", "third"]
    holds["first"] = system.authorize("1.00", "first")
    runs_out(system, holds["first"], timedelta(hours=1))
    assert told_after(*holds) == ["second", "third", "first"]
    # The third is among the first two again, and was told before.
    system.cancel(holds["first"], "1.00")
    assert told_after(*holds) == ["second", "third", "first"]
    system.cancel(holds["second"], "1.00")
    assert told_after(*holds) == ["second", "third", "fourth", "first"]


def test_what_was_sent_is_listed_newest_first(system: System, target: Recorder) -> None:
    box = Outbox(system.parts, [target])
    refused_settlement(system)
    box.look()
    system.parts.history.doubt("a backup was restored")
    box.look()
    assert [(one.kind, one.outcome, one.tries) for one in box.sent(10)] == [
        ("doubt", "sent", 1),
        ("refused", "sent", 1),
    ]
    assert len(box.sent(1)) == 1
