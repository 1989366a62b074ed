"""A service as CDK sees it: one app, a stateful and a stateless stack."""

from __future__ import annotations

import contextlib
import os
from contextvars import ContextVar
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import jsii
from aws_cdk import (
    App,
    Aspects,
    CfnResource,
    DefaultStackSynthesizer,
    Environment,
    IAspect,
    PermissionsBoundary,
    Stack,
    Tags,
)
from aws_cdk.aws_cognito import IUserPool, UserPool
from aws_cdk.aws_events import EventBus, IEventBus
from aws_cdk.aws_iam import CfnRole
from aws_cdk.aws_lambda import ILayerVersion, LayerVersion, Runtime
from aws_cdk.aws_logs import ILogGroup, LogGroup
from aws_cdk.aws_sns import ITopic, Topic
from aws_cdk.aws_ssm import StringParameter
from service_topology import (
    PLATFORM,
    Place,
    StageName,
    Topology,
    boundary_name,
    common_boundary_name,
    deploy_role_name,
    execution_role_name,
    platform_boundary_name,
    role_path,
)

from shared_constructs.bundling import Target
from shared_constructs.discovery import Discoverable
from shared_constructs.feature_flags import FEATURE_FLAGS
from shared_constructs.stage import ServiceSettings, Stage, StageError, resolve
from shared_constructs.validation import check_at_synth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from constructs import IConstruct

STATEFUL_TYPES = frozenset(
    {
        "AWS::Cognito::UserPool",
        "AWS::DynamoDB::GlobalTable",
        "AWS::DynamoDB::Table",
        "AWS::Events::Archive",
        "AWS::Events::EventBus",
        "AWS::KMS::Key",
        "AWS::S3::Bucket",
    }
)
"""Types of resources that belong into a stateful stack."""


_CHOSEN: ContextVar[tuple[str | None, str | None]] = ContextVar(
    "stage and output folder", default=(None, None)
)


@contextlib.contextmanager
def synthesizing(*, stage: str, outdir: str) -> Iterator[None]:
    """What an app is made for inside, where its script leaves it open.

    The CDK CLI's own choice reaches only the first app of a process: the CDK's kernel has its environment from the start.

    Args:
        stage: The stage.
        outdir: Where the cloud assembly goes.
    """
    token = _CHOSEN.set((stage, outdir))
    try:
        yield
    finally:
        _CHOSEN.reset(token)


class StackKind(StrEnum):
    """Which of a service's two stacks: what must survive, or what can be replaced at any time."""

    STATEFUL = "data"
    STATELESS = ""


class ServiceApp(App):
    """The app of one service at one stage: the one place where a service says who it is.

    It reads the CDK context: `stage` (`cdk synth -c stage=prod`; `local` when absent), `stages`, what this
    service overrides per stage, of the library's settings (`Stage`) and of its own (`ServiceSettings`), and `topology`,
    the path of the file that says in which account and region each service lives (`service_topology.Topology`). Without
    one the stacks belong to whichever account deploys them. Every role has a permissions boundary that the account stack
    makes: the service's own where the topology lists it, else the one of all services. Synthesis never needs credentials. Everything in the app is
    tagged `commerce:service` and `commerce:stage`.

    Synthesis runs the CDK's own template validator and cdk-nag's AwsSolutions rules and fails with what they find,
    unless the environment has `CDK_VALIDATION=false`, as tests and the inner loop do: it takes three times as long.

    Examples:
        >>> app = ServiceApp(service="cart", stage="dev")
        >>> app.stage.log_retention_days
        7

    Args:
        service: The service's name, lower-case letters, digits and hyphens; part of stack names, SSM paths, tags
            and the source of its events.
        settings: The service's own settings, beside the library's; none by default.
        stage: Overrides the context's stage; for tests.
        outdir: Where the cloud assembly goes; the CLI's choice by default.
        context: More context, for tests; the CLI's own context comes on top.

    Raises:
        StageError: Unknown stage or setting, in any entry of `stages`.
        TopologyError: The topology does not know the stage or the service, or has a fault of its own.
        ValueError: A service name that cannot be part of an SSM path.

    Attributes:
        stage: The library's settings of the stage.
        settings: The service's own; constructs ask for them by `OrderSettings.of(construct)`.
        topology: Where everybody lives; None without a file.
        place: Where this service does.
    """

    def __init__(
        self,
        *,
        service: str,
        settings: type[ServiceSettings] = ServiceSettings,
        stage: str | StageName | None = None,
        outdir: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        chosen_stage, chosen_outdir = _CHOSEN.get()
        super().__init__(
            outdir=outdir or chosen_outdir,
            context={**FEATURE_FLAGS, **(context or {})},
            analytics_reporting=False,
        )
        self.service = service
        stages = self._stages(settings)
        name = str(stage or chosen_stage or self.node.try_get_context("stage") or StageName.LOCAL)
        self.stage, self.settings = stages.get(name) or resolve(name, {}, settings)
        path = self.node.try_get_context("topology")
        self.topology = Topology.load(Path(path)) if path else None
        self.place = self.topology.place(self.stage.name, service) if self.topology else Place()
        if _is_guarded(self):
            Aspects.of(self).add(_RolePath(role_path(self.stage.name, service)))
        Discoverable(stage=self.stage.name, service=service, name="name")  # refuses a bad name at once
        Tags.of(self).add("commerce:service", service)
        Tags.of(self).add("commerce:stage", self.stage.name.value)
        if os.environ.get("CDK_VALIDATION") != "false":
            from shared_constructs.nag import add_rules  # noqa: PLC0415 - half a second that tests save

            add_rules(self)

    def _stages(self, settings: type[ServiceSettings]) -> dict[str, tuple[Stage, ServiceSettings]]:
        """Every stage that the context changes, all of them checked whichever is selected."""
        overrides = self.node.try_get_context("stages") or {}
        if not isinstance(overrides, dict):
            raise StageError(f"context 'stages' must map stage names to their settings, got {overrides!r}")
        return {name: resolve(name, given, settings) for name, given in overrides.items()}


def python_runtime(target: Target) -> Runtime:
    """The managed runtime of a target.

    The CDK's own constant: making another of the same name adds to the runtimes that all layers run on by default, and so
    changes what the versions of functions are called.
    """
    runtime: Runtime = getattr(Runtime, f"PYTHON_{target.python.replace('.', '_')}")
    return runtime


def _is_guarded(app: ServiceApp) -> bool:
    return app.topology is not None and app.topology.is_guarded(app.service)


def _boundary(app: ServiceApp, place: Place) -> str:
    """The name of the managed policy that the account stack makes for the roles of this app."""
    if _is_guarded(app):
        return boundary_name(app.stage.name, app.service)
    if app.service == PLATFORM:
        return platform_boundary_name(app.stage.name, place)
    return common_boundary_name(app.stage.name, place)


@jsii.implements(IAspect)
class _RolePath:
    def __init__(self, path: str) -> None:
        self._path = path

    def visit(self, node: IConstruct) -> None:
        if isinstance(node, CfnRole):
            node.path = self._path


def _type_of(resource: CfnResource) -> str:
    return _types_of(type(resource)) or resource.cfn_resource_type


@cache
def _types_of(kind: type[CfnResource]) -> str | None:
    # Asked of the class: of each resource it would be a round trip to the CDK's process.
    return getattr(kind, "CFN_RESOURCE_TYPE_NAME", None)


def _synthesizer(app: ServiceApp) -> DefaultStackSynthesizer | None:
    """Deploy in the service's own roles, where its account has them; else in those of the CDK's bootstrap stack."""
    stage, service = app.stage.name.value, app.service
    if not app.topology or not app.topology.is_deployed_by_pipeline(stage, service):
        return None
    role = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/"
    deploy_role = role + deploy_role_name(stage, service)
    return DefaultStackSynthesizer(
        deploy_role_arn=deploy_role,
        file_asset_publishing_role_arn=deploy_role,
        lookup_role_arn=deploy_role,
        # The platform makes roles and boundaries: CloudFormation acts in the CDK's own role for it, an administrator's.
        cloud_formation_execution_role=None
        if service == PLATFORM
        else role + execution_role_name(stage, service),
        bucket_prefix=f"{service}/",
    )


class ServiceStack(Stack):
    """One of a service's two stacks: `commerce-<stage>-<service>-data` or `commerce-<stage>-<service>`.

    Stateful resources (tables, pools, buses, archives, buckets, keys) belong into the stateful stack, so that
    the other one can be deleted and deployed again; a stateless stack with one of them fails synthesis.

    Args:
        app: The service's app.
        kind: Which of the two.
        description: For people who look at the account; says the service and stage by default.
        place: Where it is deployed to, the service's own place by default. Only the platform has stacks in several.

    Attributes:
        team: The team that owns it, set by its class; without one it is the service's name and `-team`.
    """

    team: ClassVar[str | None] = None

    def __init__(
        self, app: ServiceApp, *, kind: StackKind, description: str | None = None, place: Place | None = None
    ) -> None:
        self.place = place or app.place
        elsewhere = filter(None, self.place if self.place != app.place else ())
        name = "-".join(filter(None, ("commerce", app.stage.name.value, app.service, kind.value)))
        stateful = kind is StackKind.STATEFUL
        super().__init__(
            app,
            "-".join((name, *elsewhere)),
            stack_name=name,
            description=description
            or f"{app.service} service, {kind.name.lower()} resources, {app.stage.name}",
            env=Environment(account=self.place.account, region=self.place.region),
            synthesizer=_synthesizer(app),
            permissions_boundary=PermissionsBoundary.from_name(_boundary(app, self.place)),
            termination_protection=stateful and app.stage.deletion_protection,
        )
        self.kind = kind
        self._app = app
        if not stateful:
            check_at_synth(self, self._misplaced_resources)

    @property
    def owner(self) -> str:
        """The team that its alarms are for, as in CODEOWNERS; a stack's class says which: `team = "orders-team"`."""
        return self.team or f"{self.service}-team"

    @property
    def service(self) -> str:
        """The name of the service."""
        return self._app.service

    @property
    def stage(self) -> Stage:
        """The settings of the stage being synthesized."""
        return self._app.stage

    @staticmethod
    def of(construct: IConstruct) -> ServiceStack:
        """The service stack that a construct belongs to.

        Raises:
            TypeError: It is in no service stack, so no stage or service is known.
        """
        stack = Stack.of(construct)
        if not isinstance(stack, ServiceStack):
            raise TypeError(
                f"{construct.node.path} needs to be inside a ServiceStack, which knows stage and service; "
                f"its stack is a {type(stack).__name__}"
            )
        return stack

    def export_parameter(self, name: str, value: str, *, major: int = 1) -> StringParameter:
        """Let other services discover a value.

        Args:
            name: What it is, for example `api-url`.
            value: The value; a token is fine.
            major: Version of its meaning.

        Returns:
            The SSM parameter, a String of the Standard tier (at most 4 KB), of the type that its name says
            (`Discoverable.pattern`).
        """
        address = Discoverable(stage=self.stage.name, service=self.service, name=name, major=major)
        words = "".join(word.capitalize() for word in name.split("-"))
        return StringParameter(
            self,
            f"Publish{words}V{major}",
            parameter_name=address.path,
            string_value=value,
            allowed_pattern=f"^{address.pattern}$",
        )

    def import_parameter(self, service: str, name: str, *, major: int = 1) -> str:
        """What another service published, read from SSM when the stack is deployed.

        Args:
            service: Who publishes it.
            name: What it is, for example `event-bus-arn`.
            major: Version of its meaning.

        Returns:
            A token: a CloudFormation parameter of an SSM type, one per value and stack.
        """
        address = Discoverable(stage=self.stage.name, service=service, name=name, major=major)
        return StringParameter.value_for_string_parameter(self, address.path)

    @cached_property
    def event_bus(self) -> IEventBus:
        """The bus of this account and stage. Its ARN follows from its name, so that no parameter goes unused."""
        return EventBus.from_event_bus_name(
            self, "EventBus", self.import_parameter(PLATFORM, "event-bus-name")
        )

    @cached_property
    def event_log(self) -> ILogGroup:
        """The log of every event of this account's bus."""
        name = self.import_parameter(PLATFORM, "event-log-name")
        return LogGroup.from_log_group_name(self, "EventLog", name)

    @cached_property
    def user_pool(self) -> IUserPool:
        """The customers of this stage."""
        return UserPool.from_user_pool_arn(self, "UserPool", self.import_parameter(PLATFORM, "user-pool-arn"))

    @cached_property
    def operator_pool(self) -> IUserPool:
        """The operators of this stage."""
        return UserPool.from_user_pool_arn(
            self, "OperatorPool", self.import_parameter(PLATFORM, "operator-pool-arn")
        )

    @cached_property
    def alarm_topic(self) -> ITopic:
        """Where the alarms of this account and stage go; there is one only where `Stage.alarms` says so."""
        return Topic.from_topic_arn(self, "AlarmTopic", self.import_parameter(PLATFORM, "alarm-topic-arn"))

    @cached_property
    def runtime_layer(self) -> ILayerVersion:
        """The platform's shared runtime layer, pinned by major version: the packages that handlers may import."""
        return LayerVersion.from_layer_version_attributes(
            self,
            "RuntimeLayer",
            layer_version_arn=self.import_parameter(PLATFORM, "runtime-layer-arn"),
            # Not every runtime that the CDK knows: a version's logical id says what its layers run on, so that each new
            # CDK would publish every function again, which Lambda refuses for one that has not changed.
            compatible_runtimes=[python_runtime(Target.of(self.stage))],
        )

    def _misplaced_resources(self) -> list[str]:
        return [
            f"{child.node.path} is a {child.cfn_resource_type}, which must survive this stack: "
            f"create it in the service's stateful stack"
            for child in self.node.find_all()
            if isinstance(child, CfnResource) and _type_of(child) in STATEFUL_TYPES
        ]
