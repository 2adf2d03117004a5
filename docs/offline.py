"""Finds what a built page would load from the network: `python docs/offline.py build/docs` fails where it does."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

# Attributes that make a browser load something at once. A link that a reader follows (<a href>) is none.
LOADS = {
    "script": ("src",),
    "link": ("href",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "iframe": ("src",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}

# These only name other pages; nothing is fetched for them.
NAMED_ONLY = {"canonical", "next", "prev", "author", "license", "help"}

REMOTE = re.compile(r"(?:^|[\s,])(?:https?:)?//", re.IGNORECASE)
REMOTE_IN_STYLE = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])((?:https?:)?//[^'\")]+)", re.IGNORECASE)


class _Page(HTMLParser):
    """Collects what one page loads from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._styling = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._styling = tag == "style"
        self.found += REMOTE_IN_STYLE.findall(given.get("style", ""))
        if tag == "link" and set(given.get("rel", "").split()) <= NAMED_ONLY:
            return
        self.found += [given[name] for name in LOADS.get(tag, ()) if name in given and REMOTE.search(given[name])]

    def handle_data(self, data: str) -> None:
        if self._styling:
            self.found += REMOTE_IN_STYLE.findall(data)


def remote(path: Path) -> list[str]:
    """Return the addresses that this HTML, CSS or SVG file loads from the network."""
    text = path.read_text("utf-8", errors="replace")
    if path.suffix == ".css":
        return REMOTE_IN_STYLE.findall(text)
    page = _Page()
    page.feed(text)
    page.close()
    return page.found


def check(site: Path) -> Iterator[str]:
    """Yield a line for each load from the network, of all files below `site`."""
    for path in sorted(site.rglob("*")):
        if path.suffix in (".html", ".css", ".svg"):
            yield from (f"{path.relative_to(site)} loads {address}" for address in remote(path))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    problems = [*check(folder)] if (folder / "docs/index.html").exists() else [f"{folder} has no docs/index.html"]
    sys.exit("\n".join(problems) or None)
