"""Every guard of the money's code, taken away in each way it can be: made true, made false, one operand less.

Guards are the conditions of `if`, `elseif`, `while` and of comprehensions, and every operand of `and` and `or`.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.mutations.tree import ROOT

LUA = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "app/ledger/storage/lua").glob("*.lua"))
PYTHON = [f"app/ledger/{name}.py" for name in ("attempt", "executor", "forgotten", "lost_answers", "reservations")]


@dataclass(frozen=True)
class Guard:
    """In `file`, the text from `start` to `end` is `replacement` instead. `name` says so, and is nobody else's.

    `truth` is how its language asks for the truth of it, where nothing else of it counts; else nothing.
    """

    name: str
    file: str
    start: int
    end: int
    replacement: str
    truth: str

    def changed(self, text: str) -> str:
        return text[: self.start] + self.replacement + text[self.end :]


def guards() -> list[Guard]:
    """Return every way to take a guard away."""
    return [guard for file in (*LUA, *PYTHON) for guard in guards_of(file, (ROOT / file).read_text())]


def guards_of(file: str, text: str) -> list[Guard]:
    spots = sorted(set(lua_spots(text) if file.endswith(".lua") else python_spots(text)))
    seen: Counter[str] = Counter()
    found = []
    for start, end, replacement, truth in spots:
        name = f"{file.rpartition('/')[2]}: {_named(text, start, end, replacement)}"
        seen[name] += 1
        if seen[name] > 1:
            name += f" ({seen[name]})"
        found.append(Guard(name, file, start, end, replacement, truth))
    return found


def _named(text: str, start: int, end: int, replacement: str) -> str:
    """Return the lines of a guard, with what is taken away in brackets and what stands there instead."""
    first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    line = f"{text[first:start]}[{text[start:end]} -> {replacement}]{text[end:last]}"
    return " ".join(line.split())


# Where it begins and ends, what stands there instead, and `truth` of a guard.
Spot = tuple[int, int, str, str]

# Lua, in its tokens.

_TOKEN = re.compile(r"--[^\n]*|'[^']*'|\w+|==|~=|<=|>=|\.\.|[^\s\w]")
_OPENING, _CLOSING = "({[", ")}]"
_BEFORE = {"and", "or", "if", "elseif", "then", "return", "=", ",", "do", "else"}
_AFTER = {"and", "or", "then", ",", "do", "end", "else", "elseif", "local", "return", "if", "for"}


def lua_spots(text: str) -> Iterator[Spot]:
    tokens = [match for match in _TOKEN.finditer(text) if not match[0].startswith("--")]
    conditions = []
    for number, token in enumerate(tokens):
        if token[0] in ("if", "elseif"):
            last = next(at for at in range(number, len(tokens)) if tokens[at][0] == "then") - 1
            conditions.append(range(number + 1, last + 1))
            for value in ("true", "false"):
                yield tokens[number + 1].start(), tokens[last].end(), value, "not not "
    for number, token in enumerate(tokens):
        if token[0] in ("and", "or"):
            first, last = _first(tokens, number - 1), _last(tokens, number + 1)
            beside = {tokens[first - 1][0], token[0]}
            condition = next((condition for condition in conditions if number in condition), None)
            truth = "not not " if condition and _is_outermost(tokens[condition.start : number]) else ""
            left = tokens[first].start(), tokens[number - 1].end()
            if not _is_literal(tokens[first:number]):
                yield *left, _neutral("and" in beside), truth
                if token[0] == "and" and condition is None:
                    yield *left, "false", truth
            if not _is_literal(tokens[number + 1 : last + 1]):
                yield tokens[number + 1].start(), tokens[last].end(), _neutral(token[0] == "and"), truth


def _is_outermost(before: Sequence[re.Match[str]]) -> bool:
    """Tell whether what comes after these tokens of a condition stands in no bracket."""
    return sum((token[0] in _OPENING) - (token[0] in _CLOSING) for token in before) == 0


def _is_literal(operand: Sequence[re.Match[str]]) -> bool:
    """Tell whether an operand is what an expression chooses, not what it asks."""
    return len(operand) == 1 and bool(re.match(r"['\d]", operand[0][0]))


def _neutral(conjunction: bool) -> str:
    return "true" if conjunction else "false"


def _first(tokens: Sequence[re.Match[str]], at: int) -> int:
    """Return where the operand begins that ends at `at`."""
    depth = 0
    while True:
        depth += (tokens[at][0] in _CLOSING) - (tokens[at][0] in _OPENING)
        before = tokens[at - 1][0]
        if depth == 0 and (before in _BEFORE or before in _OPENING):
            return at
        at -= 1


def _last(tokens: Sequence[re.Match[str]], at: int) -> int:
    """Return where the operand ends that begins at `at`."""
    depth = 0
    while True:
        this = tokens[at][0]
        depth += (this in _OPENING) - (this in _CLOSING)
        if at + 1 == len(tokens):
            return at
        after = tokens[at + 1][0]
        # Two operands beside each other: the second begins another statement.
        next_statement = _is_operand(this) and re.match(r"\w", after)
        if depth == 0 and (after in _AFTER or after in _CLOSING or next_statement):
            return at
        at += 1


def _is_operand(token: str) -> bool:
    return token not in ("not",) and (bool(re.match(r"[\w']", token)) or token in _CLOSING)


# Python, in its syntax tree.


def python_spots(text: str) -> Iterator[Spot]:
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def spot(node: ast.expr, replacement: str, truth: str) -> Spot:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            starts[node.lineno - 1] + node.col_offset,
            starts[node.end_lineno - 1] + node.end_col_offset,
            replacement,
            truth,
        )

    asked: set[ast.expr] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.If(test=test) | ast.IfExp(test=test):
                asked.add(test)
                yield from (spot(test, value, "bool") for value in ("True", "False"))
            case ast.While(test=test) if not isinstance(test, ast.Constant):
                asked.add(test)
                yield spot(test, "False", "bool")
            case ast.comprehension(ifs=conditions):
                asked.update(conditions)
                yield from (spot(condition, "True", "bool") for condition in conditions)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                asked.add(operand)
            case ast.BoolOp(op=operator, values=values):
                truth = "bool" if node in asked else ""
                if truth:
                    asked.update(values)
                yield from (spot(value, str(isinstance(operator, ast.And)), truth) for value in values)
