"""One stage for all races of a test process, empty at the start of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.matrix import IN_DETAIL, Backend
from tests.faults.stage import Stage, staged
from tests.races.runner import Place


@pytest.fixture(scope="session")
def stage_for_races(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("races")) as stage:
        yield stage


@pytest.fixture
def stage(stage_for_races: Stage) -> Stage:
    stage_for_races.client.flushall()
    return stage_for_races


@pytest.fixture(
    params=[pytest.param(one, marks=() if one in IN_DETAIL else pytest.mark.long) for one in Backend], ids=str
)
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def place(stage: Stage, backend: Backend) -> Place:
    return Place(stage.providers, stage.storage.url, backend)
