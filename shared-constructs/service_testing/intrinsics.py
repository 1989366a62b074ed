"""The values of a template's intrinsic functions."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from service_testing.aws import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service_testing.templates import Template

_SUB: Final = re.compile(r"\$\{(!?)([^}]+)\}")
_DYNAMIC: Final = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^}]+)\}\}")


class UnresolvableError(Exception):
    """A template refers to something that is nowhere."""


class References(Protocol):
    """Where the values come from that are not in the template itself."""

    def parameter(self, stack: str, name: str) -> Any:
        """The value of a template parameter."""

    def ref(self, stack: str, logical_id: str) -> Any:
        """`Ref` of a resource."""

    def attribute(self, stack: str, logical_id: str, name: str) -> Any:
        """`Fn::GetAtt` of a resource."""

    def exported(self, name: str) -> Any:
        """The value of an export."""

    def dynamic(self, service: str, key: str) -> str:
        """The value of `{{resolve:service:key}}`."""


class Resolver:
    """Computes the intrinsic functions of one template.

    Args:
        stack: The template's stack name.
        template: The template.
        references: Knows everything else.
    """

    def __init__(self, stack: str, template: Template, references: References) -> None:
        self._stack = stack
        self._template = template
        self._references = references
        self._pseudo: dict[str, Any] = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NotificationARNs": [],
            "AWS::NoValue": None,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{stack}/0",
            "AWS::StackName": stack,
            "AWS::URLSuffix": "amazonaws.com",
        }

    def resolve(self, value: Any) -> Any:  # noqa: PLR0911  # one case per kind of value
        """The value with every intrinsic function in it computed; `AWS::NoValue` removes its property."""
        if isinstance(value, str):
            return _DYNAMIC.sub(lambda match: self._references.dynamic(match[1], match[2]), value)
        if isinstance(value, list):
            return [self.resolve(item) for item in value if item != {"Ref": "AWS::NoValue"}]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name == "Condition" and isinstance(argument, str):
                return self.condition(argument)
            if name.startswith("Fn::"):
                return self._function(name, argument)
        resolved = {key: self.resolve(item) for key, item in value.items() if item != {"Ref": "AWS::NoValue"}}
        return {key: item for key, item in resolved.items() if item is not None}

    def condition(self, name: str) -> bool:
        """Whether a condition of the template holds."""
        try:
            return bool(self.resolve(self._template["Conditions"][name]))
        except KeyError:
            raise UnresolvableError(f"the template has no condition {name!r}") from None

    def _ref(self, name: str) -> Any:
        if name in self._pseudo:
            return self._pseudo[name]
        if name in self._template.get("Parameters", {}):
            return self._references.parameter(self._stack, name)
        return self._references.ref(self._stack, name)

    def _function(self, name: str, argument: Any) -> Any:  # noqa: C901, PLR0911, PLR0912  # one case per function
        match name, argument:
            case "Fn::GetAtt", str():
                return self._references.attribute(self._stack, *argument.split(".", 1))
            case "Fn::GetAtt", [logical_id, attribute]:
                return self._references.attribute(self._stack, logical_id, self.resolve(attribute))
            case "Fn::Join", [separator, items]:
                return separator.join(str(item) for item in self.resolve(items))
            case "Fn::Sub", str():
                return self._substitute(argument, {})
            case "Fn::Sub", [text, variables]:
                return self._substitute(text, self.resolve(variables))
            case "Fn::ImportValue", _:
                return self._references.exported(self.resolve(argument))
            case "Fn::Select", [index, items]:
                return self.resolve(items)[int(self.resolve(index))]
            case "Fn::Split", [separator, text]:
                return self.resolve(text).split(separator)
            case "Fn::If", [condition, then, otherwise]:
                return self.resolve(then if self.condition(condition) else otherwise)
            case "Fn::Equals", [left, right]:
                return self.resolve(left) == self.resolve(right)
            case "Fn::And", conditions:
                return all(self.resolve(condition) for condition in conditions)
            case "Fn::Or", conditions:
                return any(self.resolve(condition) for condition in conditions)
            case "Fn::Not", [condition]:
                return not self.resolve(condition)
            case "Fn::FindInMap", [table, first, second, *_]:
                return self._template["Mappings"][self.resolve(table)][self.resolve(first)][
                    self.resolve(second)
                ]
            case "Fn::Base64", _:
                return base64.b64encode(str(self.resolve(argument)).encode()).decode()
            case "Fn::GetAZs", _:
                return [f"{self._pseudo['AWS::Region']}{zone}" for zone in "abc"]
        raise UnresolvableError(f"intrinsic function {name} of {argument!r} is not known to the testing kit")

    def _substitute(self, text: str, variables: Mapping[str, Any]) -> str:
        def one(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                return str(variables[name])
            return str(
                self._references.attribute(self._stack, *name.split(".", 1))
                if "." in name
                else self._ref(name)
            )

        return _SUB.sub(one, self.resolve(text))
