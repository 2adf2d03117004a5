"""Every link, anchor and path in the documents leads somewhere."""

from __future__ import annotations

import re

import pytest

from tests.docs.documents import ROOT, Document, document, documents

PAGES = [*documents()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_exist(page: Document) -> None:
    for link in page.links():
        path, _, anchor = link.partition("#")
        target = (ROOT / page.name).parent / path if path else ROOT / page.name
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            name = str(target.resolve().relative_to(ROOT))
            assert anchor in document(name).anchors(), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_document_names_exist(page: Document) -> None:
    for path in re.findall(
        r"`((?:app|bench|deploy|docs|mappers|providers|requirements|tests)/[\w./-]*\w/?)`", page.text
    ):
        # The guides write about mappers that are still to be made.
        assert "acme" in path or "NAME" in path or (ROOT / path).exists(), f"{page.name} names {path}"


def test_make_targets_that_the_documents_name_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        lines = "\n".join([*re.findall(r"`(make [\w-]+)`", page.text), *page.blocks("sh"), *page.blocks("")])
        assert set(re.findall(r"^make ([\w-]+)", lines, re.MULTILINE)) <= targets, page.name


def test_every_picture_is_shown() -> None:
    shown = {(ROOT / page.name).parent / link for page in PAGES for link in page.links()}
    pictures = {path for kind in ("png", "svg") for path in (ROOT / "docs").rglob(f"*.{kind}")}
    assert pictures <= {path.resolve() for path in shown}
