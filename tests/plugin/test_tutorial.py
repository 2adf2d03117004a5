"""The backend developer's tutorial is true: what it shows turns the skeleton into a mapper that passes the suite."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

from tests.commands.walks import run
from tests.docs.documents import document

TUTORIAL = document("docs/tutorial-backend.md")


def test_it_leads_from_the_skeleton_to_a_mapper_that_passes_the_suite(tmp_path: Path) -> None:
    begin, end = TUTORIAL.blocks("sh")
    package = tmp_path / "work/giftbridge-acme"
    begun = run(begin, tmp_path)
    assert begun.returncode == 0, begun.stdout + begun.stderr
    assert "Unwritten: client.py, " in begun.stdout
    for block in TUTORIAL.blocks("python"):
        title, _, code = block.partition("\n")
        file = package / "src/giftbridge_acme" / title.removeprefix("# ")
        file.write_text(written_into(file.read_text(), code))
    left = [file.name for file in package.rglob("*.py") if "Unwritten" in file.read_text()]
    assert left == []
    ended = run(f"cd giftbridge-acme\n{end}", tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout
    assert "failed" not in ended.stdout


def test_it_counts_what_the_skeleton_leaves_open(tmp_path: Path) -> None:
    shown = {
        node.name
        for block in TUTORIAL.blocks("python")
        for node in ast.parse(block).body
        if isinstance(node, ast.FunctionDef)
    }
    assert f"There are {len(shown)} of them" in TUTORIAL.prose


def written_into(source: str, code: str) -> str:
    """Return a module with functions and imports of the same names replaced, and all else put before its classes."""
    for node in ast.parse(code).body:
        new = ast.get_source_segment(code, node) or ""
        lines = source.splitlines()
        if isinstance(node, ast.FunctionDef | ast.ImportFrom):
            (old,) = (
                one
                for one in ast.walk(ast.parse(source))
                if isinstance(one, ast.FunctionDef | ast.ImportFrom) and name_of(one) == name_of(node)
            )
            lines[old.lineno - 1 : old.end_lineno] = textwrap.indent(new, " " * old.col_offset).splitlines()
        else:
            first = next(one for one in ast.parse(source).body if isinstance(one, ast.ClassDef))
            at = min([first.lineno, *(one.lineno for one in first.decorator_list)]) - 1
            lines[at:at] = [*new.splitlines(), "", ""]
        source = "\n".join(lines) + "\n"
    return source


def name_of(node: ast.FunctionDef | ast.ImportFrom) -> str:
    return node.name if isinstance(node, ast.FunctionDef) else f"from {node.module}"
