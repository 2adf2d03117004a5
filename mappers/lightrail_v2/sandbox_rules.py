"""Rules in the sandbox of Lightrail V2: the part of their language that gift cards use, and checkouts that obey them.

Known: numbers, texts, true, false, null, the members of `currentLineItem`, `totals` and `metadata`, arithmetic,
comparisons, `&&`, `||`, `!` and brackets (Lightrail V2 OpenAPI, "Rules").
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from mappers.lightrail_sandbox import ApiError, Json

_WORDS = {"&&": " and ", "||": " or ", "true": "True", "false": "False", "null": "None"}
_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|&&|\|\||!(?!=)|\b(?:true|false|null)\b""")
_NODES = (ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare, ast.Constant, ast.Attribute, ast.Name, ast.Expression)
_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip


def parsed(rule: str) -> ast.Expression:
    """Return a rule's tree. Raises SyntaxError."""
    text = _TOKEN.sub(lambda found: _WORDS.get(found[0], " not " if found[0] == "!" else found[0]), rule)
    tree = ast.parse(text.strip(), mode="eval")
    known = (*_NODES, ast.And, ast.Or, ast.Not, ast.USub, ast.Load, *_OPERATORS)
    if not all(isinstance(node, known) for node in ast.walk(tree)):
        raise SyntaxError("not part of the language")
    return tree


def checked_rule(name: str, rule: Json) -> Json:
    """Return a rule as it was sent. Raises ApiError 422 for one that the real server would not take."""
    for wanted in ("rule", "explanation"):
        if not isinstance(rule.get(wanted), str):
            raise ApiError(422, f"The requestBody has 1 validation error(s): {name} requires property '{wanted}'.")
    try:
        parsed(rule["rule"])
    except SyntaxError as error:
        code = name[0].upper() + name[1:]
        raise ApiError(422, f"Syntax error in {name}: {rule['rule']}", f"{code}SyntaxError") from error
    return rule


def worth(rule: Json, context: Mapping[str, Any]) -> Any:
    """Return what a rule says; of a member that is not there, it is null."""
    try:
        return _value(parsed(rule["rule"]).body, context)
    except (TypeError, ZeroDivisionError):
        return None


def _value(node: ast.AST, context: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return context.get(node.id)
        case ast.Attribute():
            held = _value(node.value, context)
            return held.get(node.attr) if isinstance(held, Mapping) else None
        case ast.UnaryOp():
            value = _value(node.operand, context)
            return not value if isinstance(node.op, ast.Not) else -value
        case ast.BoolOp():
            values = (_value(part, context) for part in node.values)
            return all(values) if isinstance(node.op, ast.And) else any(values)
        case ast.BinOp():
            return _OPERATORS[type(node.op)](_value(node.left, context), _value(node.right, context))
        case ast.Compare(ops=[operation], comparators=[right]):
            return _OPERATORS[type(operation)](_value(node.left, context), _value(right, context))
    raise TypeError("not part of the language")


def paid_by(value: Json, balance: int | None, items: list[Json], metadata: Json | None) -> int:
    """Return what a value pays of what is still payable of each line item, which it takes off there."""
    subtotal = sum(item["unitPrice"] * item["quantity"] for item in items)
    paid, left = 0, balance
    for item in items:
        lines = {"subtotal": item["unitPrice"] * item["quantity"], "payable": item["payable"]}
        context = {
            "currentLineItem": item | {"lineTotal": lines},
            "totals": {"subtotal": subtotal},
            "metadata": metadata or {},
            "value": {"balance": balance, "metadata": value["metadata"]},
        }
        if value["redemptionRule"] and not worth(value["redemptionRule"], context):
            continue
        offered = int(worth(value["balanceRule"], context) or 0) if value["balanceRule"] else left or 0
        takes = max(0, min(offered, item["payable"]))
        item["payable"] -= takes
        paid += takes
        left = None if left is None else left - takes
    return paid
