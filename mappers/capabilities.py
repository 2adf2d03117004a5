"""What each mapper can do, derived from its class so that it is not declared twice."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mappers import registry
from mappers.base import Act, ActKind, Mapper, TransactionFacts, Unsupported, option_names
from mappers.money import Currency

# The origin of a mapper that no package brings.
BUILT_IN = "built-in"


@dataclass(frozen=True, slots=True)
class Description:
    """One mapper as `giftbridge mappers` lists it. What cannot be told of a broken one is None."""

    name: str
    origin: str  # "built-in", or the package that brings it
    version: str | None
    problem: str | None = None
    title: str | None = None  # the backend, as the first line of its README calls it
    guide: str | None = None  # the README, relative to the folder that has `mappers` in it
    holds: tuple[str, ...] = ()  # the first is what a provider gets whose policy names none
    repeatable: bool | None = None
    one_step_at_a_time: bool | None = None
    adds_value: bool | None = None
    issues: bool | None = None
    finds_by_customer: bool | None = None
    rules: bool | None = None
    keeps_terms: bool | None = None
    statement: bool | None = None
    lists_cards: bool | None = None
    checks_credentials: bool | None = None
    required_options: tuple[str, ...] = ()
    optional_options: tuple[str, ...] = ()
    sandbox: bool | None = None


def describe() -> tuple[Description, ...]:
    """Return every mapper's description, the built-in ones first; a broken one's says what is wrong with it."""
    with_sandbox = registry.sandboxes()
    return tuple(_describe(source, sandbox=source.name in with_sandbox) for source in registry.sources())


def description(name: str) -> Description | None:
    """Return one mapper's description; None where there is no such mapper."""
    found = next((source for source in registry.sources() if source.name == name), None)
    return _describe(found, sandbox=name in registry.sandboxes()) if found else None


def _describe(source: registry.Source, *, sandbox: bool) -> Description:
    origin = source.distribution or BUILT_IN
    if source.problem:
        return Description(source.name, origin, source.version, source.problem)
    try:
        mapper = registry.load(source.name)
    except registry.BrokenMapper as error:
        return Description(source.name, origin, source.version, str(error))
    required, optional = option_names(mapper.Options)
    guide = Path(inspect.getfile(mapper)).with_name("README.md")
    return Description(
        name=source.name,
        origin=origin,
        version=source.version,
        title=_title(guide),
        guide=f"mappers/{guide.parent.name}/README.md" if guide.exists() and not source.distribution else None,
        holds=tuple(map(str, mapper.supported_holds)),
        repeatable=mapper.repeatable,
        one_step_at_a_time=mapper.one_step_at_a_time,
        adds_value=adds_value(mapper),
        issues=mapper.issue is not Mapper.issue,
        finds_by_customer=mapper.finds_by_customer,
        rules=mapper.card_for is not Mapper.card_for,
        keeps_terms=mapper.keeps_terms,
        statement=keeps_statement(mapper),
        lists_cards=lists_cards(mapper),
        checks_credentials=mapper.ping is not Mapper.ping,
        required_options=required,
        optional_options=optional,
        sandbox=sandbox,
    )


def keeps_statement(mapper: type[Mapper]) -> bool:
    """Tell whether the backend can list what was done there, so that the ledger can be compared with it."""
    return mapper.statement is not Mapper.statement


def lists_cards(mapper: type[Mapper]) -> bool:
    """Tell whether the backend can list its cards, so that one that the ledger does not know is found."""
    return mapper.cards is not Mapper.cards


def knows_rules(mapper: type[Mapper]) -> bool:
    """Tell whether what a card pays may depend on the cart and the customer."""
    return mapper.card_for is not Mapper.card_for


def _title(guide: Path) -> str | None:
    if not guide.exists():
        return None
    return guide.read_text("utf-8").partition("\n")[0].lstrip("# ") or None


def adds_value(mapper_class: type[Mapper]) -> bool | None:
    """Ask the plan, which is pure: a backend that cannot add value refuses there. None where it cannot be asked."""
    holds, currency = mapper_class.supported_holds[0], Currency.of("BRL")
    mapper = mapper_class.__new__(mapper_class)
    Mapper.__init__(mapper, "describe", currency, holds, None)
    try:
        mapper.plan(Act(ActKind.CREDIT, 1), TransactionFacts("describe", "describe", 1, holds, credit=True))
    except Unsupported:
        return False
    except Exception:  # noqa: BLE001 - a plan that wants options or a backend says nothing without them
        return None
    return True


def markdown(descriptions: Iterable[Description]) -> str:
    """Return the table of docs/backends.md: one row for each built-in mapper."""
    heads = (
        "mapper",
        "backend",
        "holds",
        "adds value",
        "makes cards",
        "loyalty cards",
        "rules",
        "owner and limits",
        "statement",
        "lists cards",
        "repeats are safe",
        "sandbox",
    )
    rows = [heads, ("---",) * len(heads)]
    for description in descriptions:
        if description.problem or description.origin != BUILT_IN:
            continue
        title = description.title or description.name
        rows.append(
            (
                f"`{description.name}`",
                f"[{title}]({description.guide})" if description.guide else title,
                ", ".join(description.holds),
                answer(description.adds_value),
                answer(description.issues),
                answer(description.finds_by_customer),
                answer(description.rules),
                answer(description.keeps_terms),
                answer(description.statement),
                answer(description.lists_cards),
                answer(description.repeatable),
                answer(description.sandbox),
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" if row[0] != "---" else f"|{'|'.join(row)}|" for row in rows)


def answer(value: bool | None) -> str:
    """Return a capability in a word."""
    return {True: "yes", False: "no", None: "?"}[value]
