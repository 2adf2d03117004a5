"""The texts of the console and their translations: `python -m tests.console.catalogs` brings the catalogs up to date.

A new text gets an empty entry, for a person to fill in; one that is used no more goes. The texts of a page are in the
catalog of its name, all others in console.po.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from app.console.languages import FOLDER, LANGUAGES

CONSOLE = FOLDER.parent
KEYWORDS = {"_": None, "_l": None, "_m": None, "_n": (1, 2), "gettext": None, "ngettext": (1, 2)}
COMMON = "console"

Text = str | tuple[str, ...]


def texts() -> dict[Text, set[str]]:
    """Return every text of the console, and the names of the catalogs that have it."""
    found: dict[Text, set[str]] = {}
    for path in [*CONSOLE.rglob("*.html"), *CONSOLE.rglob("*.py")]:
        method = "jinja2" if path.suffix == ".html" else "python"
        for _line, text, _comments, _context in extract_from_file(method, path, keywords=KEYWORDS):
            found.setdefault(text, set()).add(catalog_of(path))
    # Pages do not repeat what all have.
    return {text: {COMMON} if COMMON in places else places for text, places in found.items()}


def catalog_of(path: Path) -> str:
    """Return where the texts of a file belong: a page's templates begin with its name."""
    pages = [page.stem for page in (CONSOLE / "pages").glob("[!_]*.py")]
    fitting = [page for page in pages if path.stem == page or path.stem.startswith(f"{page}_")]
    return max(fitting, key=len, default=COMMON)


def translations(language: str) -> list[tuple[str, Text, Message]]:
    """Return every entry of a language's catalogs: the name of the catalog, the text, and the entry."""
    return [
        (path.stem, tuple(message.id) if isinstance(message.id, (list, tuple)) else message.id, message)
        for path in sorted((FOLDER / language).glob("*.po"))
        for message in _read(path, language)
        if message.id
    ]


def _read(path: Path, language: str) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=language)


def bring_up_to_date() -> Iterator[Path]:
    """Write the catalogs anew; yield those that have entries to fill in."""
    wanted = texts()
    names = set[str]().union(*wanted.values())
    for language in LANGUAGES:
        if language == "en":
            continue
        known = {text: message.string for _name, text, message in translations(language) if message.string}
        for path in (FOLDER / language).glob("*.po"):
            if path.stem not in names:
                path.unlink()
        for name in sorted(names):
            made = Catalog(locale=language, fuzzy=False)
            for text in (text for text, places in wanted.items() if name in places):
                made.add(text, known.get(text))
            path = FOLDER / language / f"{name}.po"
            with path.open("wb") as file:
                write_po(file, made, width=110, omit_header=True, sort_output=True)
            if not all(is_filled(message) for message in made if message.id):
                yield path


def is_filled(message: Message) -> bool:
    """Tell whether an entry has a translation, in all its forms."""
    return all(message.string) if isinstance(message.string, (list, tuple)) else bool(message.string)


if __name__ == "__main__":
    for to_fill in bring_up_to_date():
        print(f"fill in {to_fill}")
