"""Mutants of the system, each without one safety: by a change of the code's own text, or by not writing the intent."""

from __future__ import annotations
import __future__

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from unittest import mock

import redis

import app
from app.ledger.caller import Caller
from app.ledger.storage import keys
from app.ledger.storage.answers import Result
from app.ledger.storage.storage import Storage
from app.ledger.transaction import Address
from mappers.base import Memo
from providers.provider import Backend
from tests.simulation.safeties import Safety

ROOT = Path(app.__file__).parents[1]


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


@contextmanager
def applied(safety: Safety | None) -> Iterator[None]:
    """Let the loaded modules be what the edits make of their text, for everybody who has imported from them."""
    edits = safety.edits if safety else ()
    with ExitStack() as stack:
        for file in {edit.file for edit in edits if edit.file.endswith(".py")}:
            module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
            text = (ROOT / file).read_text()
            for edit in edits:
                changed = text.replace(edit.text, edit.without) if edit.file == file else text
                for before, after in zip(ast.parse(text).body, ast.parse(changed).body, strict=True):
                    if ast.dump(before) != ast.dump(after):
                        _run_anew(module, after, stack)
                text = changed
        yield


def _run_anew(module: ModuleType, statement: ast.stmt, stack: ExitStack) -> None:
    """Run a changed statement of a module. A class or function stays the object it is, with other code."""
    stack.enter_context(mock.patch.dict(vars(module)))
    before = dict(vars(module))
    flags = __future__.annotations.compiler_flag
    exec(compile(ast.Module([statement], []), str(module.__file__), "exec", flags), vars(module))
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        old, new = before[statement.name], vars(module)[statement.name]
        _change_code(inspect.unwrap(old), inspect.unwrap(new), stack)
        setattr(module, statement.name, old)


def _change_code(old: Any, new: Any, stack: ExitStack) -> None:
    if isinstance(new, type):
        for name, made in vars(new).items():
            _change_code(vars(old).get(name), made, stack)
    elif isinstance(new, property):
        _change_code(old.fget, new.fget, stack)
    elif isinstance(new, classmethod | staticmethod):
        _change_code(old.__func__, new.__func__, stack)
    elif isinstance(new, FunctionType):
        stack.callback(setattr, old, "__code__", old.__code__)
        old.__code__ = new.__code__


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
            self._client.set(transaction, _bytes(text))
            self._client.zadd(due, {address.id: score})
        result = super()._run(answers, script, address, backend, caller, memo, **arguments)
        if script in ("open", "append") and result.answer == "opened":
            score = self._client.zscore(due, address.id)
            self._unwritten[address.id] = self._client.get(transaction), score or 0
            self._client.delete(transaction)
            if before:
                self._client.set(transaction, _bytes(before))
            else:
                self._client.zrem(due, address.id)
        return result


def _bytes(text: str) -> bytes:
    """Return a value as Redis gave it: a packed one is no text."""
    return text.encode(errors="surrogateescape")
