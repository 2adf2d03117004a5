"""Which tests of the suite apply to a mapper. One that does not apply is not collected, so nothing is ever skipped.

`needs` and `for_holds` say what a test needs. So do the fixtures it asks for, where a subclass may leave them out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any, TypeVar

from mappers.base import Holds, Mapper
from mappers.capabilities import adds_value

Test = TypeVar("Test", bound=Callable[..., object])
Condition = Callable[[type[Mapper]], bool]

# A subclass has this in the place of a test that does not apply to its mapper. pytest collects functions only.
LEFT_OUT = "does not apply to this mapper"

# A test that asks for one of these applies where the subclass gives the fixture, or the attribute, named second.
OPTIONAL = {
    "sandbox": "backend",
    "unusable_card_code": "unusable_card_code",
    "single_use_card_code": "single_use_card_code",
    "ruled_card_code": "ruled_card_code",
    "set_read_lag": "set_read_lag",
    "end_card": "end_card",
    "other_currency": "other_currencies",
    "small_pages": "small_pages",
}


def keeps_a_statement(mapper_class: type[Mapper]) -> bool:
    return mapper_class.statement is not Mapper.statement


def lists_cards(mapper_class: type[Mapper]) -> bool:
    return mapper_class.cards is not Mapper.cards


def looks_up(mapper_class: type[Mapper]) -> bool:
    return mapper_class.look_up is not Mapper.look_up


def issues_cards(mapper_class: type[Mapper]) -> bool:
    return mapper_class.issue is not Mapper.issue


def keeps_terms(mapper_class: type[Mapper]) -> bool:
    return mapper_class.keeps_terms


def may_add_value(mapper_class: type[Mapper]) -> bool:
    """Whether it can add value to a card, or says only with its options whether it can."""
    return adds_value(mapper_class) is not False


def repeats_are_safe(mapper_class: type[Mapper]) -> bool:
    """Whether the ledger ever repeats a step."""
    return mapper_class.repeatable


def steps_may_overlap(mapper_class: type[Mapper]) -> bool:
    """Whether the ledger ever runs two steps on one card at a time."""
    return not mapper_class.one_step_at_a_time


def needs(*conditions: Condition) -> Callable[[Test], Test]:
    """Let a test apply only to mappers that fulfill all `conditions`."""

    def mark(test: Test) -> Test:
        vars(test)["needs"] = conditions
        return test

    return mark


def for_holds(*holds: Holds) -> Callable[[Test], Test]:
    """Let a test apply only to these kinds of hold."""

    def mark(test: Test) -> Test:
        vars(test)["for_holds"] = holds
        return test

    return mark


def holds_for(mapper_class: type[Mapper], test: Callable[..., object]) -> Sequence[Holds]:
    """Return the kinds of hold to run a test with."""
    wanted = vars(test).get("for_holds", tuple(Holds))
    return [holds for holds in mapper_class.supported_holds if holds in wanted]


def leave_out_what_does_not_apply(suite: type, base: type) -> None:
    """Put LEFT_OUT in the place of tests that do not apply to the mapper of `suite`. `base` has the defaults."""
    for name, test in _inherited_tests(suite):
        if not _applies(suite, base, test):
            setattr(suite, name, LEFT_OUT)
        elif _attribute(suite, name) is LEFT_OUT:
            setattr(suite, name, test)  # a subclass with another mapper, or with a sandbox


def _inherited_tests(suite: type) -> Iterator[tuple[str, FunctionType]]:
    """Yield the tests that `suite` does not write itself, as the nearest class has them."""
    seen = {name: value for name, value in vars(suite).items() if value is not LEFT_OUT}
    for parent in suite.__mro__:
        for name, value in list(vars(parent).items()):
            if name.startswith("test") and name not in seen and value is not LEFT_OUT:
                seen[name] = value
                if isinstance(value, FunctionType):
                    yield name, value


def _applies(suite: Any, base: type, test: FunctionType) -> bool:
    mapper_class: type[Mapper] = suite.mapper_class
    wanted = {OPTIONAL[name] for name in inspect.signature(test).parameters if name in OPTIONAL}
    values = {name: _attribute(suite, name) for name in wanted}
    given = all(value and value is not vars(base)[name] for name, value in values.items())
    conditions = all(condition(mapper_class) for condition in vars(test).get("needs", ()))
    return given and conditions and bool(holds_for(mapper_class, test))


def _attribute(suite: type, name: str) -> object:
    """Return an attribute as its class has it; a fixture that is asked for would be another object each time."""
    return next(vars(parent)[name] for parent in suite.__mro__ if name in vars(parent))
