"""No mapper is built in that the suite has not seen."""

from pathlib import Path

import pytest

from mappers.registry import BUILT_IN, load


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_mapper_passes_the_suite(name: str) -> None:
    suite = Path(__file__).with_name(f"test_{name}.py").read_text()
    assert "(MapperConformance):" in suite
    assert f"mapper_class = {load(name).__name__}\n" in suite
