"""One stage for all cells that a test process plays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.stage import Stage, staged


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as stage:
        yield stage
