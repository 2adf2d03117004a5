"""A registry that follows its file: changes count without a restart, mistakes do not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from providers import watch
from providers.problems import InvalidProviders
from providers.registry import Registry
from providers.watch import ProvidersFile

from .conftest import WriteFile


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_a_second(self) -> None:
        self.now += watch.CHECK_INTERVAL_SECONDS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(write: WriteFile, acme: str) -> Path:
    return write(acme)


@pytest.fixture
def file(path: Path, clock: Clock) -> ProvidersFile:
    return ProvidersFile(path, environment={}, clock=clock)


def accepts(file: ProvidersFile, token: str) -> bool:
    provider = file.get("acme")
    return provider is not None and provider.authenticate("acme-key", token)


def test_a_changed_file_counts_a_second_later(file: ProvidersFile, path: Path, acme: str, clock: Clock) -> None:
    path.write_text(acme.replace("acme-token", "another-token"))
    assert accepts(file, "acme-token")
    clock.pass_a_second()
    assert accepts(file, "another-token")
    assert not accepts(file, "acme-token")


def test_a_file_put_in_its_place_counts_even_with_the_same_size_and_time(
    file: ProvidersFile, path: Path, acme: str, clock: Clock
) -> None:
    before = path.stat()
    draft = path.with_suffix(".new")
    draft.write_text(acme.replace("acme-token", "ACME-TOKEN"))
    os.utime(draft, ns=(before.st_atime_ns, before.st_mtime_ns))
    draft.replace(path)
    clock.pass_a_second()
    assert accepts(file, "ACME-TOKEN")


def test_an_unchanged_file_is_not_read_again(
    file: ProvidersFile, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Registry, "load", lambda *_, **__: pytest.fail("it was read"))
    clock.pass_a_second()
    assert accepts(file, "acme-token")


def test_the_file_is_looked_at_once_a_second_at_most(
    file: ProvidersFile, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []
    signature = watch._signature

    def counted(path: Path) -> object:
        looks.append(path)
        return signature(path)

    monkeypatch.setattr(watch, "_signature", counted)
    for _ in range(100):
        file.get("acme")
    clock.pass_a_second()
    for _ in range(100):
        file.get("acme")
    assert len(looks) == 1


@pytest.mark.parametrize("wrong", ["[acme", "", "[acme]\ncaption = 1\n"])
def test_a_wrong_file_changes_nothing_and_is_reported_once(
    file: ProvidersFile, path: Path, clock: Clock, wrong: str
) -> None:
    path.write_text(wrong)
    with capture_logs() as logs:
        for _ in range(3):
            clock.pass_a_second()
            assert accepts(file, "acme-token")
    assert [line["log_level"] for line in logs] == ["error"]
    assert str(path) in logs[0]["problems"][0]


def test_a_file_that_is_gone_changes_nothing(file: ProvidersFile, path: Path, clock: Clock) -> None:
    path.unlink()
    clock.pass_a_second()
    assert accepts(file, "acme-token")


def test_a_file_that_is_right_again_counts(file: ProvidersFile, path: Path, acme: str, clock: Clock) -> None:
    path.write_text("[acme")
    clock.pass_a_second()
    file.all()
    path.write_text(acme.replace("acme-token", "another-token"))
    clock.pass_a_second()
    assert accepts(file, "another-token")


def test_a_mapper_whose_options_stay_is_kept(file: ProvidersFile, path: Path, acme: str, clock: Clock) -> None:
    (before,) = file.all()
    path.write_text(acme.replace("acme-token", "another-token"))
    clock.pass_a_second()
    (after,) = file.all()
    assert after is not before
    assert after.mapper is before.mapper


def test_who_asks_while_another_looks_is_not_kept_waiting(
    file: ProvidersFile, path: Path, acme: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, go_on = threading.Event(), threading.Event()
    signature = watch._signature

    def slow(path: Path) -> watch.Signature:
        looking.set()
        assert go_on.wait(10)
        return signature(path)

    monkeypatch.setattr(watch, "_signature", slow)
    path.write_text(acme.replace("acme-token", "another-token"))
    clock.pass_a_second()
    looker = threading.Thread(target=file.all)
    looker.start()
    assert looking.wait(10)
    clock.pass_a_second()
    assert accepts(file, "acme-token")
    go_on.set()
    looker.join()
    assert accepts(file, "another-token")


def test_a_file_that_is_wrong_from_the_start_stops_the_boot(write: WriteFile) -> None:
    with pytest.raises(InvalidProviders):
        ProvidersFile(write("[acme"))
