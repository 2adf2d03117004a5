"""README's table is the matrix that the tests run."""

from __future__ import annotations

from pathlib import Path

from tests.faults.table import table

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


def test_readme_says_how_every_cell_ends() -> None:
    written = README.partition("<!-- faults -->\n")[2].partition("\n<!-- /faults -->")[0]
    assert written == table(), "write what python -m tests.faults.table prints between README's marks"
