"""The tree in ARCHITECTURE.md is the tree of the repository."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.documents import ROOT, document

# Folders of code: each folder in them is in the tree.
CODE = ("app", "giftbridge", "mappers", "providers")

# Folders that belong to the folder they are in.
INNER = {"templates"}


def named() -> dict[str, bool]:
    """Return the paths in the tree; whether each is a folder."""
    tree = next(block for block in document("ARCHITECTURE.md").blocks("") if block.startswith("wsgi.py"))
    found: dict[str, bool] = {}
    above: list[tuple[int, str]] = []
    for line in tree.splitlines():
        match = re.match(r"( *)([\w.-]+)(/?)(?:\s|$)", line)
        assert match, line
        indent, name, folder = len(match[1]), match[2], bool(match[3])
        while above and above[-1][0] >= indent:
            above.pop()
        path = f"{above[-1][1]}/{name}" if above else name
        found[path] = folder
        if folder:
            above.append((indent, path))
    return found


def test_everything_in_the_tree_exists() -> None:
    for path, folder in named().items():
        assert (ROOT / path).is_dir() if folder else (ROOT / path).is_file(), path


def test_every_folder_of_code_is_in_the_tree() -> None:
    known = named()
    for top in CODE:
        for path in (ROOT / top, *(ROOT / top).rglob("*")):
            if is_folder_of_code(path):
                assert str(path.relative_to(ROOT)) in known, path


def is_folder_of_code(path: Path) -> bool:
    return path.is_dir() and path.name not in INNER and any(file.suffix in (".py", ".lua") for file in path.iterdir())


def test_every_folder_of_the_repository_is_in_the_tree() -> None:
    ignored = {line.strip("/\n") for line in (ROOT / ".gitignore").read_text().splitlines()}
    for path in ROOT.iterdir():
        if path.is_dir() and not path.name.startswith((".", "__")) and not path.name.endswith(".egg-info"):
            assert path.name in named() or path.name in ignored, path


def test_every_package_that_is_shipped_says_that_it_has_types() -> None:
    for top in CODE:
        assert (ROOT / top / "py.typed").is_file(), top
