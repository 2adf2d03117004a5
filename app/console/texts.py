"""Texts in the language of whoever reads: `_` in a view, `_l` and `_m` for later ones, `_n` for counted things."""

from __future__ import annotations

from typing import Any, TypeAlias

import flask_babel

# A text that becomes one of a language when it is shown.
LazyText: TypeAlias = Any


def _(text: str, /, **values: object) -> str:
    return str(flask_babel.gettext(text, **values))


def _l(text: str) -> LazyText:
    return flask_babel.lazy_gettext(text)


def _m(text: str) -> str:
    """Mark a text that `_` is given later, when it is known which one is wanted."""
    return text


def _n(one: str, many: str, number: int, /, **values: object) -> str:
    """`%(num)s` is the number."""
    return str(flask_babel.ngettext(one, many, number, **values))
