"""What shoppers type as a gift card's code: the form in which the backend knows it, and the PIN beside it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum

# Look like a hyphen, though Unicode does not call them dashes: the hyphen bullet and the minus sign.
MORE_DASHES = "\u2043\u2212"


class Case(StrEnum):
    """The one case in which a backend's codes are written."""

    UPPER = "upper"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class TypedCode:
    """A code as its backend knows it, empty where nothing is left of what was typed, and the PIN beside it."""

    code: str = field(repr=False)
    pin: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CodeForm:
    """How a provider's codes are written at the backend, whatever shoppers make of it.

    `case` is theirs where they have one, `strip` the signs that shoppers may type and codes never have.
    `pin_separator` stands between a code and its PIN, where the backend wants one.
    """

    case: Case | None = None
    strip: str = ""
    pin_separator: str = ""

    def read(self, typed: str) -> TypedCode:
        """Return what was meant by what was typed or pasted."""
        code, pin = visible(typed), ""
        if self.pin_separator and self.pin_separator in code:
            code, _, pin = code.rpartition(self.pin_separator)
        code = "".join(character for character in code if character not in self.strip).strip()
        match self.case:
            case Case.UPPER:
                code = code.upper()
            case Case.LOWER:
                code = code.lower()
        return TypedCode(code, pin.strip() or None)


# Whatever is seen is the code.
AS_TYPED = CodeForm()


def visible(typed: str) -> str:
    """Return text without what nobody sees: every space a plain one, every dash a hyphen, nothing invisible."""
    if typed.isascii() and typed.isprintable():
        return typed.strip()  # as almost always
    return "".join(map(_visible, typed)).strip()


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category in ("Cc", "Cf"):  # control characters, and formats such as a space of no width
        return ""
    return "-" if category == "Pd" or character in MORE_DASHES else character
