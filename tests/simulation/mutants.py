"""Mutants of the system, each without one safety: by a change of the code's own text, or by not writing the intent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import redis

from app.ledger import executor
from app.ledger.caller import Caller
from app.ledger.cards import CardService
from app.ledger.storage import keys
from app.ledger.storage.answers import Result
from app.ledger.storage.storage import Storage
from app.ledger.transaction import Address
from mappers.base import Mapper, Memo
from providers.provider import Backend
from tests.simulation.safeties import ATTEMPT, Safety

ROOT = Path(executor.__file__).parents[2]
EXECUTOR = "app/ledger/executor.py"


class Outdated(Exception):
    """The code has no longer the text that the mutant would change: say in safeties.py what it is now."""


def check(safety: Safety) -> None:
    """Raise Outdated unless all of its edits find their text."""
    for edit in safety.edits:
        if edit.text not in (ROOT / edit.file).read_text():
            raise Outdated(f"{safety.name}: {edit.file} has no {edit.text!r}")


def scripts(safety: Safety | None) -> Callable[[str], str]:
    """Return what the text of each script becomes."""

    def change(text: str) -> str:
        for edit in safety.edits if safety else ():
            text = text.replace(edit.text, edit.without)
        return text

    return change


def executor_module(safety: Safety | None) -> ModuleType:
    """Return the module to take the executor from."""
    attempt = _changed(ATTEMPT, safety)
    if attempt is None:
        return executor
    module = _module(EXECUTOR, (ROOT / EXECUTOR).read_text())
    vars(module)["Attempt"] = attempt.Attempt
    return module


def card_service(safety: Safety | None) -> type[CardService]:
    module = _changed("app/ledger/cards.py", safety)
    changed: type[CardService] = module.CardService if module else CardService
    return changed


def mapper_class(mapper: type[Mapper], safety: Safety | None) -> type[Mapper]:
    module = _changed(mapper.__module__.replace(".", "/") + ".py", safety)
    changed: type[Mapper] = getattr(module, mapper.__name__) if module else mapper
    return changed


def _changed(file: str, safety: Safety | None) -> ModuleType | None:
    """Return the module made of a file's changed text, or None where nothing in it changes."""
    edits = [edit for edit in (safety.edits if safety else ()) if edit.file == file]
    if not edits:
        return None
    text = (ROOT / file).read_text()
    for edit in edits:
        text = text.replace(edit.text, edit.without)
    return _module(file, text)


def _module(file: str, text: str) -> ModuleType:
    module = ModuleType(file.removesuffix(".py").replace("/", "."))
    exec(compile(text, file, "exec"), module.__dict__)
    return module


class StorageWithoutIntents(Storage):
    """Writes an opening act only with its result: nothing is on disk before it is sent."""

    def __init__(self, client: redis.Redis, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._client: Any = client  # its answers are typed for both kinds of decoding
        self._unwritten: dict[str, tuple[str, float]] = {}

    def _run(
        self,
        answers: Any,
        script: str,
        address: Address,
        backend: Backend,
        caller: Caller | None = None,
        memo: Memo | None = None,
        **arguments: Any,
    ) -> Result[Any]:
        transaction, _, due, *_ = keys.for_scripts(address, backend.account)
        before = self._client.get(transaction)
        if script == "record" and address.id in self._unwritten:
            text, score = self._unwritten.pop(address.id)
            self._client.set(transaction, text)
            self._client.zadd(due, {address.id: score})
        result = super()._run(answers, script, address, backend, caller, memo, **arguments)
        if script in ("open", "append") and result.answer == "opened":
            score = self._client.zscore(due, address.id)
            self._unwritten[address.id] = self._client.get(transaction), score or 0
            self._client.delete(transaction)
            if before:
                self._client.set(transaction, before)
            else:
                self._client.zrem(due, address.id)
        return result
