"""A translated page says as much as the English one: the same commands, tables, links and headings."""

from __future__ import annotations

import re

import pytest

from tests.docs.documents import ROOT, Document, document

TRANSLATIONS = sorted(
    path.relative_to(ROOT).as_posix() for language in ("pt", "es") for path in (ROOT / "docs").rglob(f"*.{language}.md")
)


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_a_translation_has_what_the_english_page_has(name: str) -> None:
    english = re.sub(r"\.\w+\.md$", ".md", name)
    assert outline(document(name)) == outline(document(english))


def test_the_store_admins_guide_is_in_every_language() -> None:
    assert {"docs/store-admin.pt.md", "docs/store-admin.es.md"} <= set(TRANSLATIONS)


# The states that a heading translates, with their own names beside.
GLOSSED = {"`parked`"}


def outline(page: Document) -> dict[str, object]:
    """Return what no language changes."""
    return {
        "commands": page.blocks("sh") + page.blocks(""),
        "headings": [len(level) for level in re.findall(r"^(#+) ", page.text, re.MULTILINE)],
        "rows": [line.count("|") for line in page.text.splitlines() if line.startswith("|")],
        "names": sorted(set(re.findall(r"`[^`\n]+`", page.text)) - GLOSSED),
    }
