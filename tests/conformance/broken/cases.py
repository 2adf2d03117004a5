"""A broken mapper, and which test of the suite must notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mappers.base import Mapper


@dataclass(frozen=True)
class Case:
    mapper_class: type[Mapper]
    test: str


CASES: list[Case] = []


def caught_by(test: str) -> Callable[[type[Mapper]], type[Mapper]]:
    """Put a mapper, broken in the one way that its docstring tells, on the list."""

    def enlist(mapper_class: type[Mapper]) -> type[Mapper]:
        CASES.append(Case(mapper_class, test))
        return mapper_class

    return enlist
