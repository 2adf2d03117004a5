"""The README is short, and readable in a narrow window."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from tests.docs.documents import ROOT, document

README = document("README.md")


def test_it_has_at_most_a_thousand_words() -> None:
    assert len(README.text.split()) <= 1000


def test_its_lines_have_at_most_a_hundred_columns() -> None:
    assert [line for line in README.text.splitlines() if len(line) > 100] == []


def test_its_picture_shows_itself_in_light_and_in_dark_and_loads_nothing() -> None:
    assert "docs/flow.svg" in README.links()
    picture = (ROOT / "docs/flow.svg").read_text()
    assert ET.fromstring(picture).tag.endswith("svg")
    assert "prefers-color-scheme: dark" in picture
    assert re.findall(r"https?://[^\"]+", picture) == ["http://www.w3.org/2000/svg"]


def test_every_page_of_the_documentation_can_be_reached_from_it() -> None:
    linked = set(README.links()) | {f"docs/{link}" for link in document("docs/index.md").links()}
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")} - {"docs/index.md"}
    assert pages <= linked
    assert {"docs/index.md", "docs/decisions/index.md", "mappers/README.md", "ARCHITECTURE.md"} <= linked
    assert {"CONTRIBUTING.md", "LICENSE"} <= linked
