"""Lambda functions as every service has them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from aws_cdk import Acknowledgment, Annotations, Duration, RemovalPolicy, Validations
from aws_cdk.aws_iam import Role, ServicePrincipal
from aws_cdk.aws_lambda import (
    Alias,
    ApplicationLogLevel,
    Architecture,
    Code,
    Function,
    LayerVersion,
    LoggingFormat,
    SystemLogLevel,
    Tracing,
)
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from shared_constructs.alarms import PERIOD, REPEATED, alarm_above
from shared_constructs.bundling import (
    Target,
    build_layer,
    bundle_code,
    layer_key,
    placeholder,
    unzipped_bytes,
)
from shared_constructs.customize import Customization
from shared_constructs.permissions import TRACING, allow_unlimited
from shared_constructs.queries import BUSY_FUNCTIONS, FAILED_INVOCATIONS, saved
from shared_constructs.rollout import ALIAS, FunctionRollout
from shared_constructs.service import ServiceStack, python_runtime
from shared_constructs.validation import check_at_synth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aws_cdk.aws_cloudwatch import Alarm, IAlarm
    from aws_cdk.aws_lambda import CfnVersion, ILayerVersion

    from shared_constructs.customize import Customize
    from shared_constructs.stage import Stage

MAX_UNZIPPED_BYTES = 262_144_000
"""Function and layers together: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

PLATFORM_LAYER_BYTES = 52_428_800
"""What the platform's layer may grow to; the platform checks it, functions count it."""

MAX_TIMEOUT_SECONDS = 900


class Dependencies(Enum):
    """Dependencies other than a service's own layer."""

    PLATFORM_LAYER = "platform"
    NONE = "none"


PLATFORM_LAYER = Dependencies.PLATFORM_LAYER
"""Powertools, pydantic and `service_runtime`, from the layer that the platform publishes."""

NO_DEPENDENCIES = Dependencies.NONE
"""The standard library, and the boto3 that Lambda brings."""


@dataclass(frozen=True, kw_only=True)
class OwnLayer:
    """A layer that belongs to one service, beside or instead of the platform's.

    Functions of one stack that name the same lock file share the layer.

    Attributes:
        lock_file: Requirements with hashes, as `uv pip compile --universal --generate-hashes
            --no-emit-index-url` writes them.
        packages: Top-level packages whose source goes in as well.
        with_platform_layer: Whether the function has the platform's layer too; then the lock file should leave
            out what is there. True by default.
    """

    lock_file: Path
    packages: tuple[str, ...] = ()
    with_platform_layer: bool = True


@dataclass(frozen=True, kw_only=True)
class LayerResources:
    """What a `DependencyLayer` consists of.

    Attributes:
        layer: The layer's version.
    """

    layer: LayerVersion


class DependencyLayer(Construct):
    """A Lambda layer made of locked packages, without Docker, the same bytes on every machine.

    It has bytecode where an interpreter of the target's version is on the PATH; without one, there is a warning.
    Where the CDK CLI asks for no bundling (`cdk list`, `cdk destroy`, tests with the context
    `aws:cdk:bundling-stacks` empty) nothing is built and the asset is a placeholder.

    Args:
        scope: A `ServiceStack`, or a construct in one.
        construct_id: The id there.
        lock_file: Requirements with hashes.
        packages: Top-level packages whose source goes in as well.
        description: Shown in the console.
        retain: Whether versions outlive their replacement, for layers that other stacks refer to. False by default.
        customize: Properties of the `layer` that have no argument here.

    Raises:
        FileNotFoundError: There is no such lock file.
        ValueError: A customized property that the construct enforces.

    Attributes:
        resources: The layer's version, as the CDK knows it.
        unzipped_bytes: Its size; 0 where it was not built.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        lock_file: Path,
        packages: Sequence[str] = (),
        description: str | None = None,
        retain: bool = False,
        customize: Customize | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        target = Target.of(stack.stage)
        self.lock_file = lock_file.resolve(strict=True)
        key = layer_key(lock_file=lock_file, packages=packages, target=target)
        self.unzipped_bytes = 0
        if stack.bundling_required:
            if not target.compiler:
                Annotations.of(self).add_warning_v2(
                    "commerce:no-bytecode",
                    f"There is no python{target.python} to make bytecode with, so that every cold start compiles "
                    f"what it loads and takes twice as long. Put one on the PATH and deploy again.",
                )
            content = build_layer(lock_file=lock_file, packages=packages, target=target)
            self.unzipped_bytes = unzipped_bytes(content)
        else:
            content, key = placeholder(), f"{key}-not-built"
        properties = Customization(customize, "layer").of(
            "layer",
            enforced={
                "code": Code.from_asset(str(content), asset_hash=key),
                "compatible_runtimes": [python_runtime(target)],
                "compatible_architectures": [_architecture(target)],
            },
            description=description or f"Dependencies of {stack.service}",
            removal_policy=RemovalPolicy.RETAIN if retain else RemovalPolicy.DESTROY,
        )
        self.resources = LayerResources(layer=LayerVersion(self, "Layer", **properties))


@dataclass(frozen=True, kw_only=True)
class FunctionResources:
    """What a `ServiceFunction` consists of.

    Attributes:
        function: The function, to change what it is; whoever calls it calls the alias.
        alias: What callers, queues and permissions name: `live`, which points at the published version in use.
        rollout: The part that shifts the alias to a new version bit by bit, and back; None where the stage does so at once.
        role: Its execution role, to which callers grant what it needs.
        log_group: Where it logs.
        alarms: Errors, throttles, and those of a new version that takes over bit by bit.
    """

    function: Function
    alias: Alias
    rollout: FunctionRollout | None
    role: Role
    log_group: LogGroup
    alarms: Sequence[Alarm]


class ServiceFunction(Construct):
    """A Python function with its own code, log group and role, and nothing it does not need.

    On AWS it runs Python 3.13 on arm64; on the local cloud this host's interpreter. The zip holds the included part
    of the service's package; dependencies come from layers. Logs are JSON, their level, sampling and retention, the
    memory and tracing are the stage's. The role may write to its own log group and, where the stage traces, to
    X-Ray; everything else is granted by whoever connects the function to something. Alarms tell of errors (exceptions,
    timeouts, crashes) and of throttles in three minutes within fifteen; what a handler answers or reports as a message
    to be seen again is no error.

    What is called is the alias `live`, in every stage. A changed function is published as a version, to which the alias
    moves as the stage's `rollout` says: bit by bit in `staging` and `prod`, and back to the version before as soon as
    its own invocations fail or an API in front of it answers 5xx (see docs/explanations/deployments.md). A new version of the platform's layer is a change, too.

    Examples:
        >>> app = ServiceApp(service="cart", stage="dev")
        >>> stack = ServiceStack(app, kind=StackKind.STATELESS)
        >>> writes = ServiceFunction(  # doctest: +SKIP
        ...     stack, "Writes", package="cart_service", include=("api/runtime",),
        ...     handler="cart_service.api.runtime.handler.handler",
        ... )

    Args:
        scope: A `ServiceStack`, or a construct in one.
        construct_id: The id there.
        package: The service's top-level package.
        include: Files and directories of the package that the function runs, see `bundling.bundle_code`.
        handler: Full dotted path of the handler, the same that tests import.
        description: Shown in the console.
        timeout: 10 s by default, of at most 15 min; an API waits 29 s for its function.
        memory_mb: 128 to 10240; the stage's by default.
        environment: More variables; `POWERTOOLS_*` given here win.
        dependencies: `PLATFORM_LAYER` by default, `NO_DEPENDENCIES` or an `OwnLayer`.
        layers: More layers, such as an extension's; five in all, which the CDK checks.
        reserved_concurrency: Taken from the account's for this function alone; unreserved by default.
        customize: Properties of the `function`, its `log_group` and its `alarms` that have no argument here.

    Raises:
        BundlingError: Included code does not exist or imports code that is not included.
        ValueError: A handler that is not in the code, a timeout or memory out of range, a reserved variable;
            a customized property that the construct enforces.

    Attributes:
        resources: Function, role, log group and alarms, as the CDK knows them.
        timeout: Its timeout, from which a queue's visibility timeout follows.
        reserved_concurrency: As given.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        package: str,
        include: Sequence[str],
        handler: str,
        description: str | None = None,
        timeout: Duration | None = None,
        memory_mb: int | None = None,
        environment: Mapping[str, str] | None = None,
        dependencies: Dependencies | OwnLayer = PLATFORM_LAYER,
        layers: Sequence[ILayerVersion] = (),
        reserved_concurrency: int | None = None,
        customize: Customize | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        stage, target = stack.stage, Target.of(stack.stage)
        self.timeout = timeout or Duration.seconds(10)
        self.reserved_concurrency = reserved_concurrency
        memory_mb = memory_mb or stage.function_memory_mb
        _check_range("timeout in seconds", self.timeout.to_seconds(), MAX_TIMEOUT_SECONDS, least=1)
        _check_range("memory_mb", memory_mb, 10_240, least=128)

        code = bundle_code(package=package, include=include, target=target)
        _check_handler(handler, code)
        self._own_layer = _own_layer(stack, dependencies) if isinstance(dependencies, OwnLayer) else None
        self._with_platform_layer = dependencies is PLATFORM_LAYER or (
            isinstance(dependencies, OwnLayer) and dependencies.with_platform_layer
        )
        self._code_bytes = unzipped_bytes(code)

        customization = Customization(customize, "function", "log_group", "alarms")
        logs = customization.of(
            "log_group", enforced={}, retention=stage.log_retention, removal_policy=stage.removal_policy
        )
        log_group = LogGroup(self, "Logs", **logs)
        role = Role(self, "Role", assumed_by=ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        enforced = {
            "code": Code.from_asset(str(code), asset_hash=code.name),
            "handler": handler,
            "runtime": python_runtime(target),
            "architecture": _architecture(target),
            "timeout": self.timeout,
            "role": role,
            "log_group": log_group,
            "logging_format": LoggingFormat.JSON,
            "environment": _environment(stack, environment or {}),
            "layers": [*self._dependency_layers(stack), *layers],
            "reserved_concurrent_executions": reserved_concurrency,
        }
        properties = customization.of(
            "function",
            enforced=enforced,
            description=description,
            memory_size=memory_mb,
            application_log_level_v2=ApplicationLogLevel[_lowest_level(stage)],
            system_log_level_v2=SystemLogLevel.INFO,
            tracing=Tracing.ACTIVE if stage.tracing else Tracing.DISABLED,
        )
        function = Function(self, "Function", **properties)
        version = function.current_version
        if self._with_platform_layer:
            # CloudFormation publishes a version when the template changes, which it does not for a layer's new version:
            # that is another value of a parameter. As the version's description it replaces the version. Not by the CDK's
            # options, whose text, a token, becomes part of the version's logical id.
            cast("CfnVersion", version.node.default_child).description = stack.runtime_layer.layer_version_arn
        alias = Alias(self, "Alias", alias_name=ALIAS, version=version)
        customized = customization.of("alarms", enforced={})
        alarms = self._alarms(function, log_group, customized)
        rollout = None
        if stage.rollout != "ALL_AT_ONCE":
            rollout = FunctionRollout(
                self, "Rollout", alias=alias, log_group=log_group, customized=customized
            )
            alarms.append(rollout.alarm)
        self.resources = FunctionResources(
            function=function,
            alias=alias,
            rollout=rollout,
            role=role,
            log_group=log_group,
            alarms=alarms,
        )
        Validations.of(function).acknowledge(
            Acknowledgment(
                id="AwsSolutions-L1",
                reason="One Python version for the platform's layer and all of its functions.",
            )
        )
        if stage.tracing:
            allow_unlimited(
                role, TRACING, reason="X-Ray has no resources to restrict the writing of traces to."
            )
        check_at_synth(self, self._oversize)

    def roll_back_on(self, *alarms: IAlarm) -> None:
        """Give up a new version when one of these alarms goes off, too; of no effect where the stage deploys at once.

        Args:
            alarms: Of whoever would notice first that the function does not do what it should. They may not depend on
                what calls the function, which would be circular: their dimensions are literal.
        """
        if self.resources.rollout:
            self.resources.rollout.watch(*alarms)

    def _alarms(self, function: Function, log_group: LogGroup, customized: Mapping[str, Any]) -> list[Alarm]:
        return [
            alarm_above(
                self,
                "ErrorsAlarm",
                metric=function.metric_errors(period=PERIOD),
                threshold=0,
                lasting=REPEATED,
                means=f"{self.node.id}: invocations raise, crash or run out of time; their callers wait or are refused.",
                first="its log group has the exception; a timeout names the call that it waited for.",
                runbook="failing-function",
                query=saved(self, FAILED_INVOCATIONS, log_group),
                customized=customized,
            ),
            alarm_above(
                self,
                "ThrottlesAlarm",
                metric=function.metric_throttles(period=PERIOD),
                threshold=0,
                lasting=REPEATED,
                means=f"{self.node.id}: invocations are refused, for the function's or the account's concurrency is used up.",
                first="compare ConcurrentExecutions of the account and the function with their limits.",
                runbook="throttled-function",
                query=saved(self, BUSY_FUNCTIONS, log_group),
                customized=customized,
            ),
        ]

    def _dependency_layers(self, stack: ServiceStack) -> list[ILayerVersion]:
        platform: list[ILayerVersion] = [stack.runtime_layer] if self._with_platform_layer else []
        return [*platform, *([self._own_layer.resources.layer] if self._own_layer else [])]

    def _oversize(self) -> list[str]:
        unzipped = self._code_bytes + PLATFORM_LAYER_BYTES * self._with_platform_layer
        unzipped += self._own_layer.unzipped_bytes if self._own_layer else 0
        if unzipped <= MAX_UNZIPPED_BYTES:
            return []
        allotted = f"{self._code_bytes} of code, {PLATFORM_LAYER_BYTES} reserved for the platform's layer"
        return [
            f"code and layers must unzip to at most {MAX_UNZIPPED_BYTES} bytes, these to {unzipped} ({allotted})"
        ]


def _architecture(target: Target) -> Architecture:
    return Architecture.ARM_64 if target.machine == "arm64" else Architecture.X86_64


def _check_range(what: str, value: float, most: int, *, least: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{what} must be between {least} and {most}, got {value:g}")


def _own_layer(stack: ServiceStack, own: OwnLayer) -> DependencyLayer:
    construct_id = f"Dependencies{own.lock_file.parent.name.title()}{own.lock_file.stem.title()}"
    existing = stack.node.try_find_child(construct_id)
    if isinstance(existing, DependencyLayer):
        if existing.lock_file != own.lock_file.resolve():
            raise ValueError(
                f"two layers of {stack.stack_name} would be called {construct_id}: {existing.lock_file} and "
                f"{own.lock_file}; give one of the files another name"
            )
        return existing
    return DependencyLayer(stack, construct_id, lock_file=own.lock_file, packages=own.packages)


def _lowest_level(stage: Stage) -> str:
    """The level below which Lambda drops lines: it must let through what a sampled invocation logs."""
    return "DEBUG" if stage.log_sample_rate else stage.log_level


def _environment(stack: ServiceStack, given: Mapping[str, str]) -> dict[str, str]:
    stage = stack.stage
    identity = {"COMMERCE_STAGE": stage.name.value, "COMMERCE_SERVICE": stack.service}
    if taken := sorted(set(given) & set(identity)):
        raise ValueError(
            f"the environment variables {', '.join(taken)} are set for every function; rename yours"
        )
    return {
        "POWERTOOLS_SERVICE_NAME": stack.service,
        "POWERTOOLS_METRICS_NAMESPACE": stage.metric_namespace,
        "POWERTOOLS_LOG_LEVEL": stage.log_level,
        "POWERTOOLS_LOGGER_SAMPLE_RATE": f"{stage.log_sample_rate:g}",
        **given,
        **identity,
    }


def _check_handler(handler: str, code: Path) -> None:
    module, _, name = handler.rpartition(".")
    if not module:
        raise ValueError(f"a handler must be a dotted path, module and function, got {handler!r}")
    file = code.joinpath(*module.split(".")).with_suffix(".py")
    if not file.is_file():
        raise ValueError(
            f"the handler {handler!r} is in no included file; its module would be {file.relative_to(code)}"
        )
    tree = ast.parse(file.read_bytes(), str(file))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} | {
        each.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }
    if name not in defined:
        raise ValueError(f"{file.relative_to(code)} defines no {name!r}, which the handler {handler!r} names")
