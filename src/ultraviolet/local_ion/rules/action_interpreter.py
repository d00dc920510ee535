"""ION Actions: rules whose code looks at a change and what it concerns, and blocks it by raising ValidationError.

The code is Python in ION. Here a small part of it is understood, enough for the published examples; it is walked,
never run, so that it can do nothing but look at the context it is given.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ultraviolet.errors import UltravioletError


class BlockedError(UltravioletError):
    """A rule does not allow this change."""


class UnreadableError(UltravioletError):
    """The code of this rule is not understood."""


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


def judge(code: str, context: Mapping[str, Any]) -> None:
    """Run a rule's code over a context; raises BlockedError where it raises ValidationError, UnreadableError where it is not understood."""
    _Walk({"context": context}).block(_parsed(code).body)


@lru_cache(maxsize=256)
def _parsed(code: str) -> ast.Module:
    try:
        return ast.parse(code)
    except SyntaxError as error:
        raise UnreadableError(f"The code is no Python: {error.msg}") from error


class _Walk:
    """Walks one rule's code."""

    def __init__(self, names: Names) -> None:
        self.names = dict(names)

    def block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.If():
                self.block(node.body if self.value(node.test) else node.orelse)
            case ast.Raise():
                self._raise(node.exc)
            case ast.Assign(targets=[ast.Name(id=name)]):
                self.names[name] = self.value(node.value)
            case ast.For(target=ast.Name(id=name)):
                for each in self.value(node.iter):
                    self.names[name] = each
                    self.block(node.body)
            case ast.Expr():
                self.value(node.value)
            case ast.Pass():
                return
            case _:
                raise _unknown(node)

    def _raise(self, node: ast.expr | None) -> None:
        call = node if isinstance(node, ast.Call) else None
        name = call.func if call else node
        if not isinstance(name, ast.Name) or name.id not in {"ValidationError", "ValidationWarning"}:
            raise UnreadableError("A rule may raise ValidationError or ValidationWarning only.")
        if name.id == "ValidationError":
            told = [self.value(a) for a in call.args] if call else []
            raise BlockedError(str(told[0]) if told else "")

    def value(self, node: ast.expr) -> Any:
        """Give the value of an expression."""
        try:
            return self._value(node)
        except (TypeError, AttributeError, KeyError, IndexError, ValueError, ZeroDivisionError) as error:
            raise UnreadableError(f"The code fails: {error}") from error

    def _value(self, node: ast.expr) -> Any:  # noqa: C901, PLR0911, PLR0912  one case for each kind of expression
        match node:
            case ast.Constant():
                return node.value
            case ast.Name(id=name):
                return self._named(name)
            case ast.BoolOp():
                return self._boolean(node)
            case ast.UnaryOp(op=ast.Not()):
                return not self._value(node.operand)
            case ast.UnaryOp(op=ast.USub()):
                return -self._value(node.operand)
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                return _ARITHMETIC[type(node.op)](self._value(node.left), self._value(node.right))
            case ast.Compare():
                return self._compared(node)
            case ast.IfExp():
                return self._value(node.body if self._value(node.test) else node.orelse)
            case ast.Subscript():
                return self._value(node.value)[self._value(node.slice)]
            case ast.List() | ast.Tuple():
                return [self._value(each) for each in node.elts]
            case ast.Set():
                return {self._value(each) for each in node.elts}
            case ast.Dict() if None not in node.keys:
                return {
                    self._value(k): self._value(v) for k, v in zip(node.keys, node.values, strict=True) if k
                }
            case ast.GeneratorExp() | ast.ListComp() | ast.SetComp():
                made = self._made(node)
                return set(made) if isinstance(node, ast.SetComp) else made
            case ast.Call():
                return self._called(node)
            case _:
                raise _unknown(node)

    def _named(self, name: str) -> Any:
        if name not in self.names:
            raise UnreadableError(f"The code names {name}, which is not known here.")
        return self.names[name]

    def _boolean(self, node: ast.BoolOp) -> Any:
        value: Any = None
        for each in node.values:
            value = self._value(each)
            if bool(value) is isinstance(node.op, ast.Or):
                return value
        return value

    def _compared(self, node: ast.Compare) -> bool:
        left = self._value(node.left)
        for kind, each in zip(node.ops, node.comparators, strict=True):
            right = self._value(each)
            if not _COMPARE[type(kind)](left, right):
                return False
            left = right
        return True

    def _made(self, node: ast.GeneratorExp | ast.ListComp | ast.SetComp, depth: int = 0) -> list[Any]:
        if depth == len(node.generators):
            return [self._value(node.elt)]
        loop, before = node.generators[depth], dict(self.names)
        made: list[Any] = []
        if not isinstance(loop.target, ast.Name):
            raise _unknown(loop.target)
        for each in self._value(loop.iter):
            self.names[loop.target.id] = each
            if all(self._value(condition) for condition in loop.ifs):
                made.extend(self._made(node, depth + 1))
        self.names = before
        return made

    def _called(self, node: ast.Call) -> Any:
        if node.keywords:
            raise _unknown(node)
        arguments = [self._value(each) for each in node.args]
        if isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
            return _FUNCTIONS[node.func.id](*arguments)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            return self._method(self._value(node.func.value), node.func.attr, arguments)
        raise _unknown(node)

    def _method(self, owner: Any, name: str, arguments: list[Any]) -> Any:
        # ION's published examples ask `.get` of links that may be null
        if owner is None and name == "get":
            return arguments[1] if len(arguments) > 1 else None
        if not isinstance(owner, dict | str | list | set):
            raise UnreadableError(f"{type(owner).__name__} has no {name} here.")
        return getattr(owner, name)(*arguments)  # pyright: ignore[reportUnknownArgumentType]


def _unknown(node: ast.AST) -> UnreadableError:
    return UnreadableError(f"The code has a {type(node).__name__}, which is not understood here.")
