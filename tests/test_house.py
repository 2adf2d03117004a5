"""The house is as ARCHITECTURE.md says: imports point one way, and each library has its room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ("mappers", "providers", "app", "wsgi")
SANDBOX = ("sandbox", "hub_sandbox")

# Where a library may be imported: path prefixes, or the names of files anywhere.
ROOMS = {
    "flask": lambda path: path.startswith("app/") or Path(path).stem.endswith(SANDBOX),
    "marshmallow": lambda path: path in ("app/protocol/schemas.py", "providers/registry.py"),
    "redis": lambda path: path.startswith("app/ledger/"),
    "requests": lambda path: path == "mappers/http/__init__.py",
}


def modules() -> list[Path]:
    return [path for folder in ORDER[:3] for path in (ROOT / folder).rglob("*.py")] + [ROOT / "wsgi.py"]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> tuple[str, ...]:
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", modules(), ids=name)
def test_imports_point_one_way(path: Path) -> None:
    own = ORDER.index(Path(name(path)).parts[0].removesuffix(".py"))
    for imported in imports(path):
        package = imported.split(".")[0]
        assert package not in ORDER or ORDER.index(package) <= own, f"{name(path)} imports {imported}"


@pytest.mark.parametrize("path", modules(), ids=name)
def test_each_library_has_its_room(path: Path) -> None:
    for imported in imports(path):
        allowed = ROOMS.get(imported.split(".")[0])
        assert allowed is None or allowed(name(path)), f"{name(path)} imports {imported}"


@pytest.mark.parametrize("path", modules(), ids=name)
def test_a_mapper_knows_no_other_backend(path: Path) -> None:
    parts = Path(name(path)).parts
    if parts[0] != "mappers" or len(parts) < 3:
        return
    for imported in imports(path):
        steps = imported.split(".")
        if steps[0] == "mappers" and len(steps) > 1 and (ROOT / "mappers" / steps[1]).is_dir():
            assert steps[1] == parts[1], f"{name(path)} imports {imported}"


@pytest.mark.parametrize("path", modules(), ids=name)
def test_a_module_says_what_it_knows(path: Path) -> None:
    docstring = ast.get_docstring(parsed(path))
    assert docstring, f"{name(path)} has no docstring"
    assert docstring.splitlines()[0].endswith("."), f"{name(path)}: the first line is one sentence"
