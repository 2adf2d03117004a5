"""The packed form: a transaction that has been over for a while, and its history, as one small value.

A packed value is a line of JSON, `{"version":4,"attempt":N}`, which tells an older giftbridge that it cannot read the
rest, and then bytes: how many digests there are (one byte), those digests (16 bytes each), and what is deflated from
here on. That is one list in JSON: the date, the transaction's fields, those of each act, its memo, its events, and
fields that have no place of their own. In it stand tokens (see below) for ids and digests.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any
from uuid import UUID

from app.ledger import names
from app.ledger.storage.dictionary import DICTIONARY
from app.ledger.storage.json_text import compact, loads
from app.ledger.transaction import ASKED_FOR

# Of packed values. What is not packed carries the version before it, which reads everything but these.
VERSION = 4
VERSION_OF_TEXT = 3

_BEGINNING = f'{{"version":{VERSION},"attempt":'

# Places in the rows of a packed value: never change their order, only add at the end.
_FIELDS = (
    *("provider", "card", "operation", "request_id", "amount", "backend", "holds", "authorization_ttl", "state"),
    *("acknowledged", "acts", "opened_by", "captured", "voided", "refunded", "lease_until", "in_flight_until"),
    *("retry_at", "expires_at", "late"),
)
_OF_ACT = ("kind", "oid", "amount", "request_id", "reason", "actor")
_FIELDS_OF_ACT = (
    *("state", "date", "done_at", "voided", "refunded", "steps", "steps_done", "nothing_sent", "overtaken", "promised"),
    *("failures", "set_aside", "decision", "seen_to", "error"),
)
_OF_EVENT = ("at", "what", "by", "correlation", "act", "attempt", "detail")

# Moments are written as milliseconds since the transaction's date.
_MOMENTS = frozenset({"at", "date", "done_at", "expires_at"})


@dataclass(frozen=True, slots=True)
class Digest:
    """How 16 bytes may be written in hexadecimal digits."""

    pattern: str
    write: Callable[[str], str]


# TOKENS. JSON has none of these bytes: the transaction's id; an act's oid that follows from its names, by its number; a
# digest among those above, by its place there, as it was written.
_ID = "\x01"
_OID = "\x02"
_WRITTEN = {
    b"\x03": Digest("[0-9a-f]{32}", str),
    b"\x04": Digest("[0-9A-F]{32}", str.upper),
    b"\x05": Digest("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", lambda digits: str(UUID(digits))),
}
_DIGEST = re.compile("|".join(f"({digest.pattern})" for digest in _WRITTEN.values()).encode())
_PLACE = re.compile(rb"([\x03-\x05])(.)", re.DOTALL)
_FIRST_PLACE, _MOST_DIGESTS = 0x20, 0xD0
_FIRST_OID, _MOST_OIDS = 0x30, 40

# What a value raises that is not as it was written.
UNREADABLE = (ValueError, LookupError, TypeError, zlib.error)

# Half of a pair of surrogates is no character, but JSON may have it.
_LONE = "surrogatepass"

Row = list[Any]


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A transaction and its history as they are when they are not packed."""

    text: str
    events: tuple[str, ...]

    @property
    def last_changed(self) -> int:
        """The moment of its last event: since then it has been over."""
        if self.events:
            return int(json.loads(self.events[-1])["at"])
        return int(json.loads(self.text.partition("\n")[0])["date"])


def is_packed(stored: str) -> bool:
    return stored.startswith(_BEGINNING)


def digest(stored: str) -> str:
    """Return what tells a script that something is stored just so, and no change was missed."""
    return sha1(stored.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()


def pack(transaction_id: str, text: str, events: Sequence[str]) -> bytes | None:
    """Return the packed form of a transaction.

    None where something of it is unresolved, or where it cannot be read, or would not be the same again.
    """
    try:
        return _pack(transaction_id, text, events)
    except UNREADABLE:
        return None


def _pack(transaction_id: str, text: str, events: Sequence[str]) -> bytes | None:
    head, _, memo = text.partition("\n")
    fields = loads(head)
    if fields.get("version") != VERSION_OF_TEXT or "unresolved" in fields:
        return None
    date = fields["date"]
    acts = [_act_row(fields, number) for number in range(fields["acts"])]
    history = [_row(loads(event), _OF_EVENT, date) for event in events]
    rest = {name: value for name, value in fields.items() if not _has_a_place(name)}
    memo_told = json.loads(memo) if memo else None
    rows = [date, _row(fields, _FIELDS, date), acts, memo_told, history, *([rest] if rest else [])]
    written = json.dumps(rows, separators=(",", ":"), ensure_ascii=False).replace(transaction_id, _ID)
    for number, (told_once, *_) in enumerate(acts[:_MOST_OIDS]):
        written = written.replace(_oid(transaction_id, number, told_once), _OID + chr(_FIRST_OID + number))
    digests: list[bytes] = []
    body = _deflated(_DIGEST.sub(lambda found: _placed(found, digests), written.encode(errors=_LONE)))
    packed = b"".join([f"{_BEGINNING}{fields.get('attempt', 0)}}}\n".encode(), bytes([len(digests)]), *digests, body])
    same = _is_the_same(unpack(transaction_id, packed.decode(errors="surrogateescape")), text, events)
    return packed if same else None


def unpack(transaction_id: str, packed: str) -> Unpacked:
    """Return what was packed, from its bytes as the client carries them. Raises one of UNREADABLE."""
    head, _, body = packed.encode(errors="surrogateescape").partition(b"\n")
    end = 1 + 16 * body[0]
    digests = [body[start : start + 16].hex() for start in range(1, end, 16)]
    written = _PLACE.sub(lambda found: _in_full(found, digests), _inflated(body[end:])).decode(errors=_LONE)
    written = written.replace(_ID, transaction_id)
    if _OID in written:
        for number, (told_once, *_) in enumerate(json.loads(written, strict=False)[2][:_MOST_OIDS]):
            written = written.replace(_OID + chr(_FIRST_OID + number), _oid(transaction_id, number, told_once))
    date, top, acts, memo, history, *rest = json.loads(written)
    attempt = json.loads(head)["attempt"]
    fields = {"version": VERSION_OF_TEXT, "attempt": attempt, "date": date, **_named(top, _FIELDS, date)}
    for number, row in enumerate(acts):
        fields |= _act_fields(row, number, date)
    fields |= rest[0] if rest else {}
    text = f"{compact(fields)}\n{'' if memo is None else compact(memo)}"
    return Unpacked(text, tuple(compact(_named(row, _OF_EVENT, date)) for row in history))


def _is_the_same(unpacked: Unpacked, text: str, events: Sequence[str]) -> bool:
    """Tell whether a reader would find no difference; only the order of fields may be another."""
    (head, _, memo), (old_head, _, old_memo) = unpacked.text.partition("\n"), text.partition("\n")
    same_memo = memo == old_memo or json.loads(memo) == json.loads(old_memo)
    same_events = [loads(event) for event in unpacked.events] == [_told(loads(event)) for event in events]
    return same_memo and same_events and loads(head) == _told(loads(old_head))


# Rows: what has a place of its own stands there without its name; None where it is missing.


def _row(fields: Mapping[str, Any], places: Sequence[str], since: int = 0) -> Row:
    row = [_since(name, fields.get(name), since) for name in places]
    while row and row[-1] is None:
        row.pop()
    return row


def _named(row: Row, places: Sequence[str], since: int = 0) -> dict[str, Any]:
    named = zip(places, row, strict=False)
    return {name: _since(name, value, -since) for name, value in named if value is not None}


def _since(name: str, value: Any, date: int) -> Any:
    return value - date if name in _MOMENTS and value is not None else value


def _act_row(fields: Mapping[str, Any], number: int) -> Row:
    own, date = f"a{number}", fields["date"]
    told_once = _row(fields[own], _OF_ACT)
    rest = {name: fields.get(f"{own}.{name}") for name in _FIELDS_OF_ACT}
    steps = rest["steps"]
    if steps and compact(json.loads(steps)) == steps:
        rest["steps"] = json.loads(steps)
    return [told_once, *_row(rest, _FIELDS_OF_ACT, date)]


def _act_fields(row: Row, number: int, date: int) -> dict[str, Any]:
    own, (told_once, *rest) = f"a{number}", row
    fields = _named(rest, _FIELDS_OF_ACT, date)
    if isinstance(fields.get("steps"), list):
        fields["steps"] = compact(fields["steps"])
    return {own: _named(told_once, _OF_ACT), **{f"{own}.{name}": value for name, value in fields.items()}}


def _has_a_place(name: str) -> bool:
    return name in ("version", "attempt", "date", *_FIELDS) or re.fullmatch(r"a\d+(\.\w+)?", name) is not None


def _told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields without what no reader tells from what is missing."""
    told = {name: _told(value) if isinstance(value, dict) else value for name, value in fields.items()}
    return {name: value for name, value in told.items() if value is not None}


# Tokens.


def _oid(transaction_id: str, number: int, told_once: Row) -> str:
    """Return the oid that an act has by its names; what opens a transaction has the transaction's own id."""
    kind, _, _, request_id, reason, *_ = told_once
    if number == 0:
        return transaction_id
    if reason in ASKED_FOR:
        return names.act_id(transaction_id, kind, request_id)
    return names.own_act_id(transaction_id, reason, number)


def _placed(found: re.Match[bytes], digests: list[bytes]) -> bytes:
    digest = bytes.fromhex(found[0].decode().replace("-", ""))
    if digest not in digests:
        if len(digests) == _MOST_DIGESTS:
            return found[0]
        digests.append(digest)
    written = next(token for token, group in zip(_WRITTEN, found.groups(), strict=True) if group)
    return written + bytes([_FIRST_PLACE + digests.index(digest)])


def _in_full(found: re.Match[bytes], digests: Sequence[str]) -> bytes:
    return _WRITTEN[found[1]].write(digests[found[2][0] - _FIRST_PLACE]).encode()


def _deflated(content: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=DICTIONARY)
    return deflate.compress(content) + deflate.flush()


def _inflated(content: bytes) -> bytes:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS, zdict=DICTIONARY)
    return inflate.decompress(content) + inflate.flush()
