"""The languages of the report: English, as the checks are written, and a file of translations for each other one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

NAMES = ("en", "pt", "es")

_QUOTED = re.compile(r"`[^`]*`")
_PLACE = "`…`"


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its code in HTML; `texts` maps English to it."""

    code: str
    decimal_sign: str
    texts: Mapping[str, str]

    def translated(self, text: str) -> str:
        """Return an English text in this language. What is between backticks stays as it is."""
        quoted = iter(_QUOTED.findall(text))
        key = keyed(text)
        return _QUOTED.sub(lambda _: next(quoted), self.texts.get(key, key))

    def number(self, text: str) -> str:
        """Return a number with this language's decimal sign."""
        return text.replace(".", self.decimal_sign)


def keyed(text: str) -> str:
    """Return how a text stands in the files: without what is between its backticks."""
    return _QUOTED.sub(_PLACE, text)


@cache
def language(name: str) -> Language:
    """Return one of NAMES."""
    if name == "en":
        return Language("en", ".", {})
    found = tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    sections = [texts for texts in found.values() if isinstance(texts, dict)]
    return Language(found["code"], found["decimal_sign"], {key: text for one in sections for key, text in one.items()})
