"""What checks and comparisons say, in the reader's language. They say it in English, as on the command line.

A sentence of the service is known here with what stands in it. What a backend or the system says stays as it is, and
is marked as English.
"""

from __future__ import annotations

import re
from functools import cache

from markupsafe import Markup, escape

from app.console.texts import _, _l, _m

# What a check is called.
NAMES = {
    "acts unresolved for long": _l("acts unresolved for long"),
    "address": _l("address"),
    "backend": _l("backend"),
    "clock": _l("clock"),
    "configuration": _l("configuration"),
    "credentials missing": _l("credentials missing"),
    "credentials right": _l("credentials right"),
    "credentials wrong": _l("credentials wrong"),
    "data directory": _l("data directory"),
    "differences from the backends": _l("differences from the backends"),
    "double slash": _l("double slash"),
    "guessed codes": _l("guessed codes"),
    "holds that run out soon": _l("holds that run out soon"),
    "last reconciliation": _l("last reconciliation"),
    "late successes": _l("late successes"),
    "ledger": _l("ledger"),
    "notices": _l("notices"),
    "notices by mail": _l("notices by mail"),
    "notices by webhook": _l("notices by webhook"),
    "open files": _l("open files"),
    "open transactions": _l("open transactions"),
    "parked transactions": _l("parked transactions"),
    "providers file": _l("providers file"),
    "reachability": _l("reachability"),
    "redis": _l("redis"),
    "redis clock": _l("redis clock"),
    "refused settlements and cancellations": _l("refused settlements and cancellations"),
    "service": _l("service"),
    "settings": _l("settings"),
    "unfinished transactions": _l("unfinished transactions"),
    "what Redis knows": _l("what Redis knows"),
}

# What became of an amount: words that stand in sentences.
WORDS = {
    "added": _l("added"),
    "given back": _l("given back"),
    "held": _l("held"),
    "taken": _l("taken"),
    "much": _l("much"),
    "little": _l("little"),
    "ahead of": _l("ahead of"),
    "behind": _l("behind"),
    "Redis's clock": _l("Redis's clock"),
    "the service's clock": _l("the service's clock"),
}

SENTENCES: tuple[str, ...] = (
    # What is all right
    _m("right"),
    _m("none"),
    _m("answers"),
    _m("answers in %(ms)s ms"),
    _m("answers; only this machine reaches it, which is enough for trying things out"),
    _m("keeps what it is told"),
    _m("agrees with this machine's"),
    _m("answered like a single one"),
    _m("%(status)s, empty"),
    _m("a search for a code that does not exist finds nothing"),
    _m("up to %(limit)s for a process"),
    _m("ready at %(address)s"),
    _m("%(path)s, %(free)s MiB free"),
    _m("%(count)s wait to be sent"),
    _m("%(codes)s unknown codes within an hour, %(refused)s searches refused for it"),
    _m("off: nobody is told of what waits; giftbridge notices test says how"),
    _m("not tried: providers.toml has digests only"),
    _m("give the app token, and it is tried"),
    # What is wrong, and what to do
    _m("[%(provider)s] has no service_url"),
    _m("set it: registering does, with --service-url"),
    _m("%(address)s does not end with /%(provider)s"),
    _m("the provider's id must be the last part of service_url: correct it"),
    _m("%(host)s can be reached from your own network only"),
    _m("VTEX calls from the internet: put the service behind a public address"),
    _m("start the service, open the way to it, and see that its certificate is valid for that name"),
    _m("let in with %(status)s: VTEX cancels every payment of such a provider"),
    _m("something before the service answers for it, or adds credentials: remove it"),
    _m("answered with %(status)s instead of %(wanted)s"),
    _m("something before the service answers for it, or this is another service: look at the proxy"),
    _m("%(status)s, but with a body, which VTEX takes for a fault"),
    _m("something before the service adds it: make the proxy pass errors on as they are"),
    _m("%(key)s is turned away with %(status)s"),
    _m("the service reads another providers.toml, or its log says why it keeps an older one"),
    _m("let in, but the backend does not answer"),
    _m("see the check of the backend"),
    _m("answered with %(status)s"),
    _m("look at the service's log"),
    _m("VTEX doubles the slash after the address, and that is answered with %(status)s"),
    _m("make the proxy pass paths on as they come, without redirects"),
    _m("look at the proxy before the service"),
    _m("look at [%(provider)s.options] in providers.toml, and at the backend's own status"),
    _m("%(whose)s is %(seconds)s s %(side)s this machine's"),
    _m("set both by NTP (timedatectl set-ntp true)"),
    _m("it keeps no append-only file and forgets reservations at a restart"),
    _m("set appendonly yes"),
    _m("it may evict reservations (maxmemory-policy %(policy)s)"),
    _m("set maxmemory-policy noeviction"),
    _m("giftbridge attention says what each means and what mends it"),
    _m("see in the log whose searches were refused, should it last"),
    _m("somebody tries codes: let VTEX ask for a captcha; docs/operating.md says what they reach"),
    _m("does not answer at %(address)s (%(why)s)"),
    _m("giftbridge serve starts it"),
    _m("none yet: giftbridge serve makes it"),
    _m("start it, or set GIFTBRIDGE_REDIS_URL to where it is"),
    _m("correct it: nothing else was checked"),
    _m("correct it, or unset it"),
    _m("correct that; a running service keeps the last right one until then"),
    _m("make room on its disk"),
    _m("put that back for this provider until they are over"),
    _m("mend that; giftbridge notices test sends a sample"),
    _m("mend that; it recovers by itself"),
    # What a difference means, and what mends it
    _m("%(amount)s may be back on the card: the ledger has them as %(past)s"),
    _m("%(amount)s may not be on the card: the ledger has them as %(past)s"),
    _m("%(amount)s were %(past)s instead"),
    _m("%(amount)s too %(much)s were %(past)s"),
    _m("%(amount)s were %(past)s, and the ledger does not know why"),
    _m("%(amount)s more than the ledger knows were %(past)s"),
    _m("undo %(references)s at the backend by hand"),
    _m("%(amount)s were taken from the card: the ledger has them as held, and VTEX as not settled"),
    _m("if the order is to be paid, %(command)s writes it down and takes nothing more; if not, refund it after that"),
    _m("%(amount)s are back on the card: the ledger has them as %(past)s, and may give them back again"),
    _m("%(amount)s are back on the card: the ledger has them as held, and could not settle them"),
    _m("a part is reserved still: %(command)s, or settle it; then giftbridge reconcile --repair"),
    _m("giftbridge reconcile --repair writes it down; no money moves"),
    _m("look at the card at the backend, and correct by hand what is wrong"),
    _m("it may have happened or not"),
)

_PLACE = re.compile(r"%\((\w+)\)s")


def said(text: str) -> Markup:
    """Return what a check or a comparison says; what is not ours is marked as English."""
    bare, end = (text[:-1], ".") if text.endswith(".") else (text, "")
    bare = bare if _known(bare) else bare[:1].lower() + bare[1:]
    if (found := _known(bare)) is None:
        return Markup('<span lang="en">{}</span>').format(text)
    number, values = found
    told = {name: str(WORDS.get(value, value)) for name, value in values.items()}
    sentence = _(SENTENCES[number], **told)
    return escape((sentence[:1].upper() + sentence[1:] if text[:1].isupper() else sentence) + end)


def check_name(text: str) -> Markup:
    """Return what a check is called; it may be one of a provider, or of a way in which people are told."""
    about, colon, name = text.rpartition(": ")
    if name not in NAMES:
        return Markup('<span lang="en">{}</span>').format(text)
    return escape(f"{about}{colon}{NAMES[name]}")


def _known(text: str) -> tuple[int, dict[str, str]] | None:
    """Return the number of the sentence and what stands in it."""
    for number, pattern in enumerate(_patterns()):
        if match := pattern.fullmatch(text):
            return number, match.groupdict()
    return None


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(_PLACE.sub(r"(?P<\1>.+?)", _escaped(one))) for one in SENTENCES)


def _escaped(text: str) -> str:
    """Return a text as a pattern of itself, with its places as they are."""
    return "".join(part if part.startswith("%(") else re.escape(part) for part in re.split(r"(%\(\w+\)s)", text))
