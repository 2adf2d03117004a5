"""The documentation builds as a site without a warning, and the site loads nothing from the network."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.documents import ROOT


def offline() -> ModuleType:
    """Return docs/offline.py, which is a script and no package's."""
    spec = importlib.util.spec_from_file_location("offline", ROOT / "docs/offline.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://cdn.example.com/a.js"></script>'),
        ("a.html", '<link rel="stylesheet" href="//fonts.example.com/a.css">'),
        ("a.html", '<img srcset="small.png 1x, https://example.com/large.png 2x">'),
        ("a.html", '<style>@import "https://example.com/a.css";</style>'),
        ("a.html", '<p style="background: url(https://example.com/a.png)">'),
        ("a.css", "@font-face { src: url('https://fonts.example.com/a.woff2'); }"),
        ("a.svg", '<svg><image href="https://example.com/a.png"/></svg>'),
    ],
)
def test_a_load_from_the_network_is_found(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert len([*offline().check(tmp_path)]) == 1


@pytest.mark.parametrize(
    "text",
    [
        '<a href="https://example.com">a link that a reader follows</a>',
        '<link rel="canonical" href="https://example.com/page"><script src="_static/a.js"></script>',
        '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    ],
)
def test_what_loads_nothing_is_not_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.html").write_text(text)
    assert [*offline().check(tmp_path)] == []


def test_the_site_builds_without_a_warning_and_loads_nothing(tmp_path: Path) -> None:
    built = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-q",
            "-W",
            "--keep-going",
            "-c",
            "docs",
            "-d",
            tmp_path / "trees",
            ".",
            tmp_path / "site",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert [*offline().check(tmp_path / "site")] == []
    assert (tmp_path / "site/index.html").exists()
    # The index of the search is a script: a page that was opened from a folder can load it.
    assert '<script src="searchindex.js"' in (tmp_path / "site/search.html").read_text()
    assert '"Glossary":' in (tmp_path / "site/searchindex.js").read_text()
