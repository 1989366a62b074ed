"""Synthesized templates and the values of their intrinsic functions."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import tempfile
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shared_constructs import ServiceApp, ServiceSettings

Template = dict[str, Any]

_SUB: Final = re.compile(r"\$\{(!?)([^}]+)\}")
_DYNAMIC: Final = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^}]+)\}\}")


def synthesize(
    build: Callable[[ServiceApp], object],
    *,
    service: str = "test",
    settings: type[ServiceSettings] | None = None,
    stage: str = "local",
    context: Mapping[str, Any] | None = None,
) -> dict[str, Template]:
    """Synthesize an app in this process, without bundling code and without the CDK's template validation.

    Args:
        build: adds the stacks to the app it is given.
        service: the service's name.
        settings: the service's own settings; none by default.
        stage: the stage.
        context: further CDK context.

    Returns:
        Stack name → template.
    """
    # A Deployment alone must not load the CDK.
    from shared_constructs import ServiceApp, ServiceSettings  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="synthesize-") as outdir, _environment(CDK_VALIDATION="false"):
        app = ServiceApp(
            service=service,
            settings=settings or ServiceSettings,
            stage=stage,
            outdir=outdir,
            context={"aws:cdk:bundling-stacks": [], **(context or {})},
        )
        build(app)
        return {stack.stack_name: stack.template for stack in app.synth().stacks}


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class UnresolvableError(Exception):
    """A template refers to something that is nowhere."""


class Resolver:
    """Computes the intrinsic functions of one template.

    Args:
        stack: the template's stack name, for messages and pseudo parameters.
        template: the template.
        parameter: value of a template parameter.
        reference: value of `Ref` of a resource.
        attribute: value of `Fn::GetAtt`.
        imported: value of an export.
        dynamic: value of `{{resolve:service:key}}`.
        account, region: the pseudo parameters.
    """

    def __init__(  # where each kind of value comes from
        self,
        stack: str,
        template: Template,
        *,
        parameter: Callable[[str], Any],
        reference: Callable[[str], Any],
        attribute: Callable[[str, str], Any],
        imported: Callable[[str], Any],
        dynamic: Callable[[str, str], str],
        account: str,
        region: str,
    ) -> None:
        self._template = template
        self._parameter = parameter
        self._reference = reference
        self._attribute = attribute
        self._imported = imported
        self._dynamic = dynamic
        self._pseudo: dict[str, Any] = {
            "AWS::AccountId": account,
            "AWS::NotificationARNs": [],
            "AWS::NoValue": None,
            "AWS::Partition": "aws",
            "AWS::Region": region,
            "AWS::StackId": f"arn:aws:cloudformation:{region}:{account}:stack/{stack}/0",
            "AWS::StackName": stack,
            "AWS::URLSuffix": "amazonaws.com",
        }

    def resolve(self, value: Any) -> Any:  # noqa: PLR0911  # one case per kind of value
        """The value with every intrinsic function in it computed; `AWS::NoValue` removes its property."""
        if isinstance(value, str):
            return _DYNAMIC.sub(lambda match: self._dynamic(match[1], match[2]), value)
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
            return self._parameter(name)
        return self._reference(name)

    def _function(self, name: str, argument: Any) -> Any:  # noqa: C901, PLR0911, PLR0912  # one case per function
        match name, argument:
            case "Fn::GetAtt", str():
                return self._attribute(*argument.split(".", 1))
            case "Fn::GetAtt", [logical_id, attribute]:
                return self._attribute(logical_id, self.resolve(attribute))
            case "Fn::Join", [separator, items]:
                return separator.join(str(item) for item in self.resolve(items))
            case "Fn::Sub", str():
                return self._substitute(argument, {})
            case "Fn::Sub", [text, variables]:
                return self._substitute(text, self.resolve(variables))
            case "Fn::ImportValue", _:
                return self._imported(self.resolve(argument))
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
            return str(self._attribute(*name.split(".", 1)) if "." in name else self._ref(name))

        return _SUB.sub(one, self.resolve(text))
