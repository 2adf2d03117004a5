"""One harness for all cells that a test process runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.harness import Harness, running_harness


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with running_harness(tmp_path_factory.mktemp("harness")) as harness:
        yield harness
