"""Interpreter of ION Actions: rules in Python that block a change by raising ValidationError.

It supports a small part of Python, enough for the published examples. It interprets the syntax
tree, so that the code has access only to its context.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ultraviolet.errors import UltravioletError


class BlockedError(UltravioletError):
    """A rule blocks this change."""


class UnsupportedCodeError(UltravioletError):
    """The local ION does not support the code of this rule."""


class _WarnedError(Exception):
    """A rule warns of this change, which ends its code."""


Names = Mapping[str, Any]


_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "any": any, "all": all, "len": len, "set": set, "list": list, "str": str, "int": int, "float": float,
    "bool": bool, "sum": sum, "min": min, "max": max, "abs": abs,
}  # fmt: skip
_METHODS = {
    "get", "keys", "values", "items", "lower", "upper", "strip", "startswith", "endswith", "intersection",
    "issubset", "union", "split", "isdigit",
}  # fmt: skip


def run(code: str, context: Mapping[str, Any]) -> str | None:
    """Run a rule's code; return the text of its ValidationWarning, or None.

    Raise BlockedError if it raises ValidationError.

    Raise UnsupportedCodeError for other code than the supported part of Python.
    """
    try:
        _Interpreter({"context": context}).run(_parse(code).body)
    except _WarnedError as warning:
        return str(warning)
    return None


@lru_cache(maxsize=256)
def _parse(code: str) -> ast.Module:
    try:
        return ast.parse(code)
    except SyntaxError as error:
        raise UnsupportedCodeError(f"The code is not valid Python: {error.msg}") from error


class _Interpreter:
    """Interprets the code of one rule."""

    def __init__(self, names: Names) -> None:
        self.names = dict(names)

    def run(self, statements: list[ast.stmt]) -> None:
        for node in statements:
            match node:
                case ast.If():
                    self.run(node.body if self.evaluate(node.test) else node.orelse)
                case ast.Raise():
                    self._run_raise(node.exc)
                case ast.Assign(targets=[ast.Name(id=name)]):
                    self.names[name] = self.evaluate(node.value)
                case ast.For(target=ast.Name(id=name)):
                    for each in self.evaluate(node.iter):
                        self.names[name] = each
                        self.run(node.body)
                case ast.Expr():
                    self.evaluate(node.value)
                case ast.Pass():
                    pass
                case _:
                    raise _unsupported(node)

    def _run_raise(self, node: ast.expr | None) -> None:
        call = node if isinstance(node, ast.Call) else None
        name = call.func if call else node
        if not isinstance(name, ast.Name) or name.id not in {
            "ValidationError",
            "ValidationWarning",
        }:
            raise UnsupportedCodeError(
                "A rule may raise ValidationError or ValidationWarning only."
            )
        arguments = [self.evaluate(a) for a in call.args] if call else []
        text = str(arguments[0]) if arguments else ""
        raise BlockedError(text) if name.id == "ValidationError" else _WarnedError(text)

    def evaluate(self, node: ast.expr) -> Any:
        """Return the value of an expression."""
        try:
            return self._evaluate(node)
        except (
            TypeError,
            AttributeError,
            KeyError,
            IndexError,
            ValueError,
            ZeroDivisionError,
        ) as error:
            raise UnsupportedCodeError(f"The code fails: {error}") from error

    def _evaluate(self, node: ast.expr) -> Any:  # noqa: C901, PLR0911, PLR0912  one case for each kind of expression
        match node:
            case ast.Constant():
                return node.value
            case ast.Name(id=name):
                if name not in self.names:
                    raise UnsupportedCodeError(f"Unknown name {name} in the code.")
                return self.names[name]
            case ast.BoolOp():
                value: Any = None
                for each in node.values:
                    value = self._evaluate(each)
                    if bool(value) is isinstance(node.op, ast.Or):
                        break
                return value
            case ast.UnaryOp(op=ast.Not()):
                return not self._evaluate(node.operand)
            case ast.UnaryOp(op=ast.USub()):
                return -self._evaluate(node.operand)
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                return _ARITHMETIC[type(node.op)](
                    self._evaluate(node.left), self._evaluate(node.right)
                )
            case ast.Compare():
                left = self._evaluate(node.left)
                for kind, each in zip(node.ops, node.comparators, strict=True):
                    right = self._evaluate(each)
                    if not _COMPARE[type(kind)](left, right):
                        return False
                    left = right
                return True
            case ast.IfExp():
                return self._evaluate(node.body if self._evaluate(node.test) else node.orelse)
            case ast.Subscript():
                return self._evaluate(node.value)[self._evaluate(node.slice)]
            case ast.List() | ast.Tuple():
                return [self._evaluate(each) for each in node.elts]
            case ast.Set():
                return {self._evaluate(each) for each in node.elts}
            case ast.Dict() if None not in node.keys:
                return {
                    self._evaluate(k): self._evaluate(v)
                    for k, v in zip(node.keys, node.values, strict=True)
                    if k
                }
            case ast.GeneratorExp() | ast.ListComp() | ast.SetComp():
                values = self._comprehension(node)
                return set(values) if isinstance(node, ast.SetComp) else values
            case ast.Call():
                return self._call(node)
            case _:
                raise _unsupported(node)

    def _comprehension(
        self, node: ast.GeneratorExp | ast.ListComp | ast.SetComp, depth: int = 0
    ) -> list[Any]:
        if depth == len(node.generators):
            return [self._evaluate(node.elt)]
        loop, before = node.generators[depth], dict(self.names)
        values: list[Any] = []
        if not isinstance(loop.target, ast.Name):
            raise _unsupported(loop.target)
        for each in self._evaluate(loop.iter):
            self.names[loop.target.id] = each
            if all(self._evaluate(condition) for condition in loop.ifs):
                values.extend(self._comprehension(node, depth + 1))
        self.names = before
        return values

    def _call(self, node: ast.Call) -> Any:
        if node.keywords:
            raise _unsupported(node)
        arguments = [self._evaluate(each) for each in node.args]
        if isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
            return _FUNCTIONS[node.func.id](*arguments)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            owner, name = self._evaluate(node.func.value), node.func.attr
            # ION's published examples call `.get` on links that may be null.
            if owner is None and name == "get":
                return arguments[1] if len(arguments) > 1 else None
            if not isinstance(owner, dict | str | list | set):
                raise UnsupportedCodeError(f"{name} of {type(owner).__name__} is not supported.")
            return getattr(owner, name)(*arguments)  # pyright: ignore[reportUnknownArgumentType]
        raise _unsupported(node)


def _unsupported(node: ast.AST) -> UnsupportedCodeError:
    return UnsupportedCodeError(f"{type(node).__name__} is not supported in the code of a rule.")
