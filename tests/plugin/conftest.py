"""Packages that bring mappers, as pip would leave them behind."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

# A package's own tests run where it is installed.
collect_ignore = ["toy_package"]

# A mapper that could be used, by the name it is given.
WORKING = """
from mappers.memory.mapper import Memory

class Acme(Memory):
    flavour = "acme"
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a package: its name, what its entry points say, and its files."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)

    def install(name: str, entry_points: dict[str, str], files: dict[str, str]) -> None:
        metadata = folder / f"{name.replace('-', '_')}-1.5.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        lines = [f"{mapper} = {path}" for mapper, path in entry_points.items()]
        (metadata / "entry_points.txt").write_text("\n".join(["[giftbridge.mappers]", *lines, ""]))
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(dedent(text))
        importlib.invalidate_caches()

    yield install
    for module in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[module], "__file__", None)):
            del sys.modules[module]
