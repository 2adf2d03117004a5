"""One harness for all races of a test process, empty at the start of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.harness import Harness, running_harness
from tests.faults.matrix import IN_DETAIL, Backend
from tests.races.runner import Target


@pytest.fixture(scope="session")
def harness_for_races(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with running_harness(tmp_path_factory.mktemp("races")) as harness:
        yield harness


@pytest.fixture
def harness(harness_for_races: Harness) -> Harness:
    harness_for_races.client.flushall()
    return harness_for_races


@pytest.fixture(
    params=[pytest.param(one, marks=() if one in IN_DETAIL else pytest.mark.long) for one in Backend], ids=str
)
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def target(harness: Harness, backend: Backend) -> Target:
    return Target(harness.providers, harness.storage.url, backend)
