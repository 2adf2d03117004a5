"""The project's documents: which there are, and their headings, tables, links and code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Pages of the site, and the files that a repository's reader opens first.
PATTERNS = (
    "*.md",
    "app/console/README.md",
    "docs/**/*.md",
    "mappers/README.md",
    "mappers/*/README.md",
    "examples/*/README.md",
)

FENCE = re.compile(r"^(`{3,})(\S*)[^\n]*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Document:
    """One Markdown file. `name` is its path in the repository."""

    name: str
    text: str

    @property
    def prose(self) -> str:
        """The text without its blocks of code."""
        return FENCE.sub("", self.text)

    def blocks(self, language: str) -> list[str]:
        """Return the blocks of code in one language."""
        return [body for _, written, body in FENCE.findall(self.text) if written == language]

    def between(self, name: str) -> str:
        """Return what stands between the marks `<!-- name -->` and `<!-- /name -->`."""
        return self.text.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0].strip("\n")

    def rows(self, *head: str) -> list[list[str]]:
        """Return the rows of every table whose first columns are headed so."""
        lines = self.text.splitlines()
        found = []
        for number, line in enumerate(lines):
            if tuple(cells(line)[: len(head)]) != head:
                continue
            for row in lines[number + 2 :]:
                if not row.startswith("|"):
                    break
                found.append(cells(row))
        return found

    def anchors(self) -> set[str]:
        """Return the anchors of its headings, as a repository's pages and the site make them."""
        counted: Counter[str] = Counter()
        anchors = set()
        for heading in re.findall(r"^#{1,6} +(.+?)\s*$", self.prose, re.MULTILINE):
            slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
            anchors.add(f"{slug}-{counted[slug]}" if counted[slug] else slug)
            counted[slug] += 1
        return anchors

    def links(self) -> list[str]:
        """Return the targets of its links and pictures, without those to other sites."""
        targets = re.findall(r"\]\(\s*<?([^)>\s]+)>?[^)]*\)", re.sub(r"`[^`\n]*`", "", self.prose))
        return [target for target in targets if not re.match(r"[a-z][a-z0-9+.-]*:", target)]


def cells(line: str) -> list[str]:
    """Return the cells of a line of a table; of another line, none."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] if line.startswith("|") else []


def document(name: str) -> Document:
    return Document(name, (ROOT / name).read_text("utf-8"))


def documents() -> Iterator[Document]:
    """Yield every document, by name."""
    names = {str(path.relative_to(ROOT)) for pattern in PATTERNS for path in ROOT.glob(pattern)}
    yield from map(document, sorted(names))
