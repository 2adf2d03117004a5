"""The suite notices the likely bugs: each of these mappers is broken in one way, and fails the test that is for it."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from mappers.conformance import attempts, failures, statement
from mappers.lightrail_v2.mapper import LightrailV2
from mappers.memory.mapper import Memory
from mappers.vauchar.mapper import Vauchar
from mappers.voucherify.mapper import Voucherify

from . import test_lightrail_v2, test_memory, test_vauchar, test_voucherify
from .broken import amounts, keys, outcomes, pages, reads
from .broken.cases import CASES, Case

pytest_plugins = ["pytester"]

SUITES = {
    LightrailV2: test_lightrail_v2.TestLightrailV2,
    Memory: test_memory.TestMemory,
    Vauchar: test_vauchar.TestVauchar,
    Voucherify: test_voucherify.TestVoucherify,
}
MODULES = (amounts, keys, outcomes, pages, reads)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.mapper_class.__name__)
def test_a_broken_mapper_fails_the_suite(
    case: Case, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("broken_mapper")
    sound = next(suite for mapper_class, suite in SUITES.items() if issubclass(case.mapper_class, mapper_class))
    # The other tests need not even be collected.
    others = {name: None for name in dir(sound) if name.startswith("test_") and name != case.test}
    module.TestBroken = type("TestBroken", (sound,), {"mapper_class": case.mapper_class} | others)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    # What it waits for never comes.
    for waiting in (attempts, failures, statement):
        monkeypatch.setattr(waiting, "SLACK_SECONDS", 0.5)
    # Other plugins would be imported anew each time.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile("from broken_mapper import TestBroken")
    ran = pytester.inline_run("-p", "no:cacheprovider", "--maxfail=1", "--tb=native")
    reports = [report for report in ran.getreports("pytest_runtest_logreport") if report.failed]
    noticed = [report.when for report in reports]
    assert noticed in (["call"], ["teardown"]), case.mapper_class.__doc__


def test_every_broken_mapper_is_listed_once() -> None:
    written = [
        found
        for module in MODULES
        for found in vars(module).values()
        if isinstance(found, type) and found.__module__ == module.__name__ and not found.__name__.startswith("_")
    ]
    assert sorted(case.mapper_class.__name__ for case in CASES) == sorted(found.__name__ for found in written)
