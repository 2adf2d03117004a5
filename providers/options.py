"""A provider's options: checked against what its mapper wants, and the mapper made of them."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any

from mappers.base import Holds, InvalidOptions, Mapper, Secret, option_names
from mappers.money import Currency
from providers.problems import Problems, suggest
from providers.provider import Provider
from providers.unloadable import Unloadable, why

# What a value must be for an option's type, and how to say so.
_KINDS: dict[type, tuple[tuple[type, ...], str]] = {
    str: ((str,), "must be text in quotes"),
    Secret: ((str,), "must be text in quotes"),
    bool: ((bool,), "must be true or false"),
    int: ((int,), "must be a whole number"),
    float: ((int, float), "must be a number"),
}


def build_mapper(
    provider_id: str,
    mapper_class: type[Mapper],
    given: Mapping[str, Any],
    currency: Currency | None,
    holds: Holds,
    problems: Problems,
    before: Provider | None,
) -> Mapper | None:
    """Return the provider's mapper, or None after noting what is wrong with its options.

    The mapper it had `before` is kept, with its connections, where nothing that concerns it has changed. One that
    cannot be made for a reason of its own is stood in for.
    """
    if issubclass(mapper_class, Unloadable):
        return mapper_class(provider_id, currency, holds, None) if currency else None
    values = _check(provider_id, mapper_class.Options, given, problems)
    wrong = problems.within(provider_id, "options") or problems.within(provider_id, "policy", "holds")
    if wrong or currency is None:
        return None
    try:
        options = mapper_class.Options(**values)
        if before is not None and type(before.mapper) is mapper_class:
            kept = before.mapper
            if (kept.currency, kept.holds, kept.options) == (currency, holds, options):
                return kept
        mapper = mapper_class(provider_id, currency, holds, options)
        mapper.account()  # what fails here would fail where the provider is made of it
        return mapper  # noqa: TRY300
    except InvalidOptions as error:
        problems.add((provider_id, "options", error.option), str(error))
        return None
    except Exception as error:  # noqa: BLE001 - a mapper's own mistake concerns its provider alone
        reason = f"{mapper_class.__module__} cannot be made from its options ({why(error)}): repair it"
        return Unloadable.because(reason)(provider_id, currency, holds, None)


def _check(provider_id: str, options: type, given: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    required, optional = option_names(options)
    kinds = {name: _kind(hint) for name, hint in typing.get_type_hints(options).items()}
    for name in required:
        if name not in given:
            example = f'{name} = "${{...}}"' if kinds[name] is Secret else f"{name} = ..."
            problems.add((provider_id, "options", name), f"is missing: add {example}")
    values = {}
    for name, value in given.items():
        place = (provider_id, "options", name)
        if name not in kinds:
            problems.add(place, f"unknown option: {suggest(name, required + optional)}")
            continue
        types_allowed, message = _KINDS.get(kinds[name], ((object,), ""))
        if not isinstance(value, types_allowed) or (isinstance(value, bool) and kinds[name] in (int, float)):
            problems.add(place, message)
        elif value == "" and name in required:
            problems.add(place, "must not be empty")
        else:
            values[name] = Secret(value) if kinds[name] is Secret else value
    return values


def _kind(hint: Any) -> Any:
    """Return the type behind `X | None`."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [argument for argument in typing.get_args(hint) if argument is not type(None)]
        return inner[0] if len(inner) == 1 else object
    return hint
