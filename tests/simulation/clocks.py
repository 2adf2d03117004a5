"""Finds every clock that the simulated code reads: the simulator replaces them all, or a test names the one it cannot.

A clock is replaced where its module reaches it by name, as `time.time()` or `datetime.now()`, when the code runs. One
that is bound when the module is loaded, such as a default argument, or has another name cannot be replaced so.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).parents[2]

# What the simulator runs, and what lies among it that it does not.
FOLDERS = ("app/ledger", "app/admin", "mappers", "providers")
NOT_RUN = ("mappers/conformance", "mappers/sandbox", "mappers/skeleton")
SANDBOXES = ("sandbox.py", "sandbox_model.py", "model.py")

CLOCKS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "clock_gettime", "clock_gettime_ns", "sleep"}
    | {"localtime", "gmtime", "perf_counter", "perf_counter_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A clock that some code reads. `name` is that by which its module reaches it, "" where it cannot be replaced."""

    line: int
    clock: str
    name: str


def readings(source: str) -> list[Reading]:
    """Return every clock that the text of a module reads."""
    reader = _Reader()
    reader.visit(ast.parse(source))
    return reader.found


@cache
def clocks() -> dict[str, list[Reading]]:
    """Return the clocks of what the simulator runs, by module."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            text = path.read_text()
            unlikely = "time" not in text
            if unlikely or name.startswith(NOT_RUN) or (path.name in SANDBOXES and folder == "mappers"):
                continue
            if read := readings(text):
                found[name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")] = read
    return found


@contextmanager
def replaced(**instead: Any) -> Iterator[None]:
    """Let every module that is loaded reach these for its clocks: `time`, `datetime` and `date`.

    One that is loaded later would read the real ones: that is an error.
    """
    with ExitStack() as patches:
        loaded = {module for module in clocks() if module in sys.modules}
        for module in loaded:
            for name in {reading.name for reading in clocks()[module] if reading.name}:
                patches.enter_context(mock.patch.object(sys.modules[module], name, instead[name]))
        yield
    if late := {module for module in clocks() if module in sys.modules} - loaded:
        raise RuntimeError(f"import these before: their clocks were not replaced: {sorted(late)}")


class _Reader(ast.NodeVisitor):
    """Walks a module. What is in the body of a function is reached when it runs, everything else when it is loaded."""

    def __init__(self) -> None:
        self.found: list[Reading] = []
        self._runs = False

    def visit_Attribute(self, node: ast.Attribute) -> None:
        match node.value:
            case ast.Name(id=name) if node.attr in CLOCKS.get(name, ()):
                self.found.append(Reading(node.lineno, f"{name}.{node.attr}", name if self._runs else ""))
            case ast.Attribute(attr=name) if node.attr in CLOCKS.get(name, ()):
                self.found.append(Reading(node.lineno, f"{name}.{node.attr}", ""))  # datetime.datetime.now
        self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for one in node.names:
            renamed = one.asname is not None and one.name in CLOCKS
            if (node.module == "time" and one.name in CLOCKS["time"]) or (node.module == "datetime" and renamed):
                self.found.append(Reading(node.lineno, f"{node.module}.{one.name}", ""))

    def visit_Import(self, node: ast.Import) -> None:
        for one in node.names:
            if one.name in CLOCKS and one.asname is not None:
                self.found.append(Reading(node.lineno, one.name, ""))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for loaded in (*node.decorator_list, node.args):
            self.visit(loaded)
        self._run(node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.args)
        self._run([node.body])

    def _run(self, body: list[ast.stmt] | list[ast.expr]) -> None:
        before, self._runs = self._runs, True
        for one in body:
            self.visit(one)
        self._runs = before
