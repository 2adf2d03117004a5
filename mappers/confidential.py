"""What must not be written anywhere while a request is answered: its codes and tokens, and its customer's fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from urllib.parse import quote, quote_plus

from mappers.options import MASK, mask_code

# Shorter texts would blot out ordinary words; of codes the protocol says 6 to 255.
SHORTEST = 6

# More than a request and the transactions that it meets have; a job over many transactions keeps those of the last.
MOST = 200

_EMAIL = re.compile(r"[^\s@\"'<>=/:,;()]+@[^\s@\"'<>=/:,;()]+")

# What may be shown of a code within any text, a line of JSON too.
_SHOWN = re.compile(r"[*A-Za-z0-9-]*")


class _Kept:
    """What is kept from texts. It is worked out when a text is written: most requests write none."""

    def __init__(self) -> None:
        self._new: list[Iterable[tuple[str, str]]] = []
        self._masks: list[tuple[str, str]] = []

    def add(self, masks: Iterable[tuple[str, str]]) -> None:
        self._new.append(masks)
        del self._new[:-MOST]

    def masks(self) -> list[tuple[str, str]]:
        new, self._new = self._new, []
        self._masks += [pair for masks in new for pair in masks if len(pair[0]) >= SHORTEST]
        del self._masks[:-MOST]
        return self._masks


_kept: ContextVar[_Kept | None] = ContextVar("confidential", default=None)


def forget() -> None:
    """Begin a new piece of work of this thread: what was kept from texts so far is of another one."""
    _kept.set(None)


def keep_codes(codes: Iterable[str]) -> None:
    """Show no more of these codes and tokens than their last characters, until `forget`."""
    _keep((code, mask if _SHOWN.fullmatch(mask := mask_code(code)) else MASK) for code in codes)


def keep_fields(fields: Iterable[str]) -> None:
    """Show nothing of these fields of a customer, until `forget`; nor of their letters and digits alone."""
    _keep((written, MASK) for value in fields for written in {value, "".join(filter(str.isalnum, value))})


def _keep(masks: Iterable[tuple[str, str]]) -> None:
    kept = _kept.get()
    if kept is None:
        kept = _Kept()
        _kept.set(kept)
    kept.add(masks)


def masked(text: str) -> str:
    """Return `text` without what was kept from it, however that may be escaped there, and without e-mail addresses."""
    own = _kept.get()
    for kept, mask in own.masks() if own else ():
        for written in (kept, *_escaped(kept, text)):
            text = text.replace(written, mask)
    return _EMAIL.sub(MASK, text) if "@" in text else text


def _escaped(kept: str, text: str) -> Iterator[str]:
    """Yield `kept` as Python, JSON and URLs may write it, where `text` has what escapes begin with."""
    if "\\" in text:
        yield repr(kept)[1:-1]
        yield json.dumps(kept)[1:-1]
        yield json.dumps(kept, ensure_ascii=False)[1:-1]
        yield json.dumps(repr(kept)[1:-1])[1:-1]
    if "%" in text or "+" in text:
        yield quote(kept)
        yield quote(kept, safe="")
        yield quote_plus(kept)
