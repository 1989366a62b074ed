r"""Apache Velocity 1.7 as API Gateway runs it: airspeed parses, this module gives the Java meaning.

airspeed evaluates with Python's truth, Python's methods and Python's string escapes. In a private copy of it the parts
that differ are replaced:

- string literals know no backslash escapes (`"\\'"` is three characters), a doubled quote is one quote;
- identifiers may contain hyphens; `#endDate` is text; there is no `null` literal;
- null and false are false, everything else is true; `&&` and `||` stop early; integers divide as Java's;
- a map is iterated by its values, `#set` of null leaves the variable, loops end at 1000 iterations (an AWS quota);
- a null inside something known prints nothing (API Gateway's behaviour), a name never set prints as written
  (Velocity's); methods are Java's (`java.py`).
"""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from apigateway_engine import java
from apigateway_engine.errors import (
    GatewayEngineError,
    InvalidTemplateError,
    TemplateExecutionError,
    UnsupportedFeatureError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

MAX_ITERATIONS: Final = 1000
"""Iterations of one #foreach; API Gateway's quota for mapping templates."""


def render(template: str, variables: dict[str, Any]) -> str:
    """Evaluate a mapping template.

    Args:
        template: The VTL text.
        variables: The roots (`input`, `util`, `context`, `stageVariables`); the template's own variables are added
            to a copy, while objects inside are shared, so that `#set($context.responseOverride.status = 404)` shows.

    Raises:
        InvalidTemplateError: When the template is not VTL.
        UnsupportedFeatureError: When it uses what the engine does not know.
        TemplateExecutionError: When it fails on these variables.
    """
    namespace = _Scope(variables)
    stream = _vtl.StoppableStream()
    try:
        _compiled(template).block.evaluate(stream, namespace, _vtl.NullLoader())
    except _vtl.TemplateExecutionError as error:
        cause: BaseException | None = error.__cause__
        while isinstance(cause, _vtl.TemplateExecutionError):
            cause = cause.__cause__
        if isinstance(cause, GatewayEngineError):
            raise cause from None
        raise TemplateExecutionError(str(error)) from cause
    return str(stream.getvalue())


@lru_cache(maxsize=1024)
def _compiled(template: str) -> Any:
    try:
        return _vtl.TemplateBody("<template>", template)
    except (_vtl.TemplateSyntaxError, _vtl.NoMatch) as error:
        raise InvalidTemplateError(f"not a mapping template: {error}") from error


def _private_airspeed() -> ModuleType:
    """A copy of airspeed of our own, so that changing it changes nobody else's."""
    spec = importlib.util.find_spec("airspeed")
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("mapping templates need airspeed: pip install 'shared-constructs[testing]'")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_vtl: Any = _private_airspeed()


class _Scope(dict[str, Any]):
    """One flat scope: in Velocity what a loop sets is there after the loop."""

    def set_inherited(self, name: str, value: Any) -> None:
        self[name] = value

    def top(self) -> _Scope:
        return self


# Literals -------------------------------------------------------------------------------------------------------------


def _parse_string(self: Any) -> None:
    (raw,) = self.identity_match(self.STRING)
    self.value = raw.replace("''", "'")


def _parse_interpolated(self: Any) -> None:
    (raw,) = self.identity_match(self.STRING)
    self.value = raw.replace('""', '"')
    self.block = _vtl.Block(self.filename, self.value, 0)
    if self.block.next_text():
        raise self.block.syntax_error("text or a reference")


def _parse_null(self: Any) -> None:
    if self.optional_match(re.compile(r"null\b")):
        raise InvalidTemplateError(
            "VTL has no literal null: compare with an unset variable such as $null, or use !$x"
        )
    raise _vtl.NoMatch


# References -----------------------------------------------------------------------------------------------------------


def _resolve_member(self: Any, current: Any, loader: Any, top: Any) -> Any:
    """One step of a reference; null stays null to the end of it, as in Velocity."""
    if current is None:
        return None
    if isinstance(current, _Scope):
        value = current.get(self.name)
        if self.parameters is not None:
            raise InvalidTemplateError(f"${self.name}(…) calls a variable")
    elif self.parameters is not None:
        value = java.call_method(current, self.name, self.parameters.calculate(top, loader))
    else:
        member = java.get_member(current, self.name)
        value = None if member is java.MISSING else member
    return value if self.index is None else _at(value, self.index.calculate(top, loader))


def _resolve_index(self: Any, current: Any, loader: Any, top: Any) -> Any:
    if not isinstance(self.expression, _vtl.ArrayIndex):
        return self.expression.calculate(current, loader, top)
    value = _at(current, self.expression.calculate(top, loader))
    return self.subexpression.calculate(value, loader, top) if self.subexpression else value


def _at(target: Any, index: Any) -> Any:
    if target is None:
        return None
    if isinstance(target, list) and isinstance(index, int):
        return java.call_method(target, "get", [index + len(target) if index < 0 else index])
    if isinstance(target, dict):
        return target.get(index)
    raise TemplateExecutionError(
        f"{java.to_string(target)!r} cannot be indexed with {java.to_string(index)!r}"
    )


def _write_reference(self: Any, stream: Any, namespace: Any, loader: Any) -> None:
    value = None if self.expression is None else self.expression.calculate(namespace, loader)
    if value is not None:
        stream.write(java.to_string(value))
    elif self.alternate is not None:
        stream.write(java.to_string(self.alternate.calculate(namespace, loader)))
    elif self.expression is None or (not self.silent and self.expression.part.name not in namespace):
        stream.write(self.my_text())


# Expressions ----------------------------------------------------------------------------------------------------------


def _arithmetic(left: Any, right: Any, compute: Callable[[Any, Any], Any]) -> Any:
    return compute(left, right) if java.is_number(left) and java.is_number(right) else None


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        return java.to_string(left) + java.to_string(right)
    return _arithmetic(left, right, lambda a, b: a + b)


def _divide(left: Any, right: Any) -> Any:
    if right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return left / right


def _modulo(left: Any, right: Any) -> Any:
    return None if right == 0 else left - right * int(left / right)


def _compare(left: Any, right: Any, holds: Callable[[Any, Any], bool]) -> bool:
    """Velocity compares numbers only; anything else is false."""
    return java.is_number(left) and java.is_number(right) and holds(left, right)


_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": java.equals,
    "!=": lambda a, b: not java.equals(a, b),
    "<": lambda a, b: _compare(a, b, lambda x, y: x < y),
    "<=": lambda a, b: _compare(a, b, lambda x, y: x <= y),
    ">": lambda a, b: _compare(a, b, lambda x, y: x > y),
    ">=": lambda a, b: _compare(a, b, lambda x, y: x >= y),
    "+": _add,
    "-": lambda a, b: _arithmetic(a, b, lambda x, y: x - y),
    "*": lambda a, b: _arithmetic(a, b, lambda x, y: x * y),
    "/": lambda a, b: _arithmetic(a, b, _divide),
    "%": lambda a, b: _arithmetic(a, b, _modulo),
}
_SPELLED: Final = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "and": "&&",
    "or": "||",
}
_BINDING: Final = {
    "||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6,
}  # fmt: skip


def _parse_operator(self: Any) -> None:
    (spelling,) = self.identity_match(self.BINARY_OP)
    self.operator = _SPELLED.get(spelling, spelling)


def _evaluate(self: Any, namespace: Any, loader: Any) -> Any:
    return _climb(list(self.expression), 0, namespace, loader, skip=False)[0]


def _climb(
    terms: list[Any], weakest: int, namespace: Any, loader: Any, *, skip: bool
) -> tuple[Any, list[Any]]:
    """Precedence climbing over `[value, operator, value, …]`; `skip` parses without evaluating."""
    value = None if skip else terms[0].calculate(namespace, loader)
    rest = terms[1:]
    while rest and _BINDING[rest[0].operator] > weakest:
        operator = rest[0].operator
        decided = operator in ("&&", "||") and java.truthy(value) == (operator == "||")
        right, rest = _climb(rest[1:], _BINDING[operator], namespace, loader, skip=skip or decided)
        if skip:
            continue
        if operator in ("&&", "||"):
            value = java.truthy(value) if decided else java.truthy(right)
        else:
            value = _OPERATORS[operator](value, right)
    return value, rest


def _negate(self: Any, namespace: Any, loader: Any) -> bool:
    return not java.truthy(self.value.calculate(namespace, loader))


# Directives -----------------------------------------------------------------------------------------------------------


def _write_if(self: Any, stream: Any, namespace: Any, loader: Any) -> None:
    for branch in (self, *self.elseifs):
        if java.truthy(branch.condition.calculate(namespace, loader)):
            branch.block.evaluate(stream, namespace, loader)
            return
    self.else_block.evaluate(stream, namespace, loader)


def _parse_set(self: Any) -> None:
    self.identity_match(self.START)
    self.require_match(re.compile(r"\s*"), "place")
    self.place = self.require_next_element(_vtl.FormalReference, "a reference to set")
    self.require_match(self.EQUALS, "=")
    self.value = self.require_next_element(_vtl.Expression, "expression")
    self.require_match(self.END, "closing paren")


def _assign(self: Any, stream: Any, namespace: Any, loader: Any) -> None:  # noqa: ARG001  # airspeed's signature
    value = self.value.calculate(namespace, loader)
    if value is None:
        return
    target, key = _place(self.place.expression, namespace, loader)
    if isinstance(target, list) and isinstance(key, int):
        java.call_method(target, "set", [key, value])
    elif isinstance(target, dict):
        target[key] = value
    else:
        raise TemplateExecutionError(
            f"#set({self.place.my_text()} = …): there is no map or list to set it in"
        )


def _place(step: Any, namespace: Any, loader: Any) -> tuple[Any, Any]:
    """The container that a #set changes and the key in it."""
    target = namespace
    while step.subexpression is not None:
        target = step.part.calculate(target, loader, namespace)
        step = step.subexpression.expression
        if isinstance(step, _vtl.ArrayIndex):
            return target, step.calculate(namespace, loader)
    if step.part.index is not None:
        return java.get_member(target, step.part.name), step.part.index.calculate(namespace, loader)
    return target, step.part.name


def _write_foreach(self: Any, stream: Any, namespace: Any, loader: Any) -> None:
    items = self.value.calculate(namespace, loader)
    if isinstance(items, dict):
        items = list(items.values())
    if not isinstance(items, list | tuple | range):
        return
    if len(items) > MAX_ITERATIONS:
        raise TemplateExecutionError(f"#foreach over {len(items)} items: API Gateway allows {MAX_ITERATIONS}")
    outer = {
        name: namespace[name]
        for name in ("foreach", "velocityCount", self.loop_var_name)
        if name in namespace
    }
    try:
        for index, item in enumerate(items):
            last = index == len(items) - 1
            namespace["foreach"] = {
                "index": index, "count": index + 1, "hasNext": not last, "first": index == 0, "last": last,
                "parent": outer.get("foreach"),
            }  # fmt: skip
            namespace["velocityCount"] = index + 1
            namespace[self.loop_var_name] = item
            self.block.evaluate(stream, namespace, loader)
    finally:
        for name in ("foreach", "velocityCount", self.loop_var_name):
            namespace.pop(name, None)
        namespace.update(outer)


def _parse_macro_call(self: Any) -> None:  # noqa: ARG001  # airspeed's signature
    """`#name(…)` without a macro of that name is text in Velocity; macros themselves are not known here."""
    raise _vtl.NoMatch


def _refuse(self: Any) -> None:
    (word,) = self.identity_match(re.compile(r"#(define|macro|include|parse|evaluate|stop|break)(?![\w-])"))
    raise UnsupportedFeatureError(f"#{word} in a mapping template is not known to this engine")


def _install() -> None:
    name = r"[_a-zA-Z][a-zA-Z0-9_-]*"
    v = _vtl
    v.StringLiteral.STRING = re.compile(r"'((?:[^']|'')*)'", re.DOTALL)
    v.StringLiteral.parse = _parse_string
    v.InterpolatedStringLiteral.STRING = re.compile(r'"((?:[^"]|"")*)"', re.DOTALL)
    v.InterpolatedStringLiteral.parse = _parse_interpolated
    v.BooleanLiteral.BOOLEAN = re.compile(r"(true|false)\b")
    v.NullLiteral.parse = _parse_null
    v.NameOrCall.NAME = re.compile(f"({name})")
    v.NameOrCall.calculate = _resolve_member
    v.SubExpression.calculate = _resolve_index
    v.FormalReference.evaluate_raw = _write_reference
    v.BinaryOperator.BINARY_OP = re.compile(
        r"\s*(>=|<=|<|==|!=|>|%|\|\||&&|(?:or|and|gt|lt|ne|eq|ge|le)\b|[-+*/])\s*"
    )
    v.BinaryOperator.parse = _parse_operator
    v.Expression.calculate = _evaluate
    v.UnaryOperatorValue.UNARY_OP = re.compile(r"\s*(!|not\b)\s*")
    v.UnaryOperatorValue.calculate = _negate
    v.End.END = re.compile(r"#(?:end(?![\w-])|\{end\})")
    v.ElseBlock.START = re.compile(r"#(?:else(?![\w-])|\{else\})")
    v.FallthroughHashText.PLAIN = re.compile(r"(#(?!(?:end|else|elseif)(?![\w-])|\{(?:end|else|elseif)\}))")
    v.IfDirective.evaluate_raw = _write_if
    v.SetDirective.START = re.compile(r"#(?:set|\{set\})\s*\(")
    v.SetDirective.parse = _parse_set
    v.SetDirective.evaluate_raw = _assign
    v.ForeachDirective.LOOP_VAR_NAME = re.compile(rf"\$\{{?({name})\}}?")
    v.ForeachDirective.evaluate_raw = _write_foreach
    v.MacroCall.parse = _parse_macro_call
    for element in (
        *(v.MacroDefinition, v.DefineDefinition, v.IncludeDirective, v.ParseDirective),
        *(v.EvaluateDirective, v.StopDirective),
    ):
        element.parse = _refuse
    v.UserDefinedDirective.parse = _parse_macro_call


_install()
