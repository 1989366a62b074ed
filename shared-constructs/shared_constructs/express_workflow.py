"""Workflows from a JSONata definition, with least privilege, logs, tracing and alarms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from aws_cdk import Acknowledgment, Duration, Names, RemovalPolicy, Validations
from aws_cdk.aws_cloudwatch import MathExpression
from aws_cdk.aws_iam import Role
from aws_cdk.aws_logs import LogGroup
from aws_cdk.aws_stepfunctions import (
    DefinitionBody,
    LogLevel,
    LogOptions,
    StateMachine,
    StateMachineType,
)
from constructs import Construct
from states_language import definition as asl
from states_language.rules import check_definition

from shared_constructs.alarms import AT_ONCE, PERIOD, REPEATED, alarm_above
from shared_constructs.customize import Customization, Customize
from shared_constructs.function import ServiceFunction
from shared_constructs.permissions import (
    LOG_DELIVERY,
    TRACING,
    allow_unlimited,
    on_behalf_of_this_account,
    reference,
    statements_for,
)
from shared_constructs.queries import FAILED_EXECUTIONS, saved
from shared_constructs.rollout import WorkflowRollout
from shared_constructs.service import ServiceStack
from shared_constructs.table import ServiceTable
from shared_constructs.validation import check_at_synth

if TYPE_CHECKING:
    from pathlib import Path

    from aws_cdk.aws_cloudwatch import Alarm
    from aws_cdk.aws_iam import PolicyStatement
    from aws_cdk.aws_stepfunctions import CfnStateMachine, IStateMachine

    from shared_constructs.permissions import Resource

    Plain: TypeAlias = str | float | Sequence[Any] | Mapping[str, Any] | None
    Substitution: TypeAlias = "Plain | Resource | ServiceTable | ServiceFunction | Workflow"

MAX_EXPRESS_TIMEOUT = Duration.minutes(5)
"""AWS Step Functions quotas: an Express execution lasts at most five minutes, and so does a synchronous one behind a
pipe; API Gateway gives up on its integration after 29 seconds."""

DEFAULT_TIMEOUT = Duration.seconds(25)

PER_RECORD_TIMEOUT = Duration.seconds(5)
"""Of a queue's consumer: six times as long a message stays away when its execution is lost, and so does who waits."""


@dataclass(frozen=True, kw_only=True)
class WorkflowResources:
    """What a workflow consists of.

    Attributes:
        state_machine: The state machine.
        role: Its execution role.
        log_group: Where it logs.
        alarms: One, on executions that did not succeed.
    """

    state_machine: StateMachine
    role: Role
    log_group: LogGroup
    alarms: list[Alarm]


class Workflow(Construct):
    """What `ExpressWorkflow` and `StandardWorkflow` have in common.

    Builds the state machine with a role of its own, a log group under `/aws/vendedlogs/` (at the stage's level: every event
    or failures only, `Stage.workflow_log_level`; execution data only where the stage says), X-Ray tracing, and one alarm on executions that failed, timed out or were throttled: of
    a Standard workflow the first, since nothing starts it again, of an Express one those of three minutes within fifteen,
    since its caller does. What a caller or a customer did wrong is an output, never a failed execution. The definition is checked at synth (`states_language.rules`), beyond what CloudFormation's schema knows.

    The role gets exactly the actions of the service integrations that the definition uses, each on the resources
    that the state names through substitutions: DynamoDB on those tables (and the literal indexes), `events:PutEvents`
    on that bus and for this service's own source only, SQS, Lambda, Step Functions.

    Args:
        scope: Construct inside a `ServiceStack`.
        construct_id: Its id.
        definition: A `.asl.json` or `.asl.yaml` file in JSONata, or the definition itself.
        substitutions: Value of each `${Name}` in it: plain JSON values (typed when alone in their string, whole
            states included, which may use the other names), or the resources themselves (a table stands for its name,
            a bus for its name, a queue for its URL, a function or state machine for its ARN), which also grants what
            the states do with them.
        timeout: Of the whole execution; default 25 s of an Express workflow, 5 s of one that is `per_record`.
        callback_targets: Workflows whose task tokens this one answers.
        unmanaged_services: Services whose permissions the caller grants on `.resources.role`.
        per_record: The definition says what to do with one event; it is wrapped so that a `QueueConsumer` can
            give it batches and learn which messages failed. Express workflows only.
        customize: Properties of `state_machine`, `role`, `log_group` and of all `alarms`.

    Attributes:
        resources: State machine, role, log group and alarms, as the CDK knows them.
        definition: The definition as deployed.
        timeout: Of the whole execution; None for the service's limit, a year.
        per_record: As given.

    Raises:
        ValueError: Unknown or unused substitutions, a timeout beyond the limit, a task without a resource to limit
            its permission to, or a customized property that the construct enforces.
    """

    _TYPE: ClassVar[StateMachineType]
    _DEFAULT_TIMEOUT: ClassVar[Duration | None] = None
    resources: WorkflowResources

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        definition: Path | Mapping[str, Any],
        substitutions: Mapping[str, Substitution] | None = None,
        timeout: Duration | None = None,
        callback_targets: Sequence[Workflow | IStateMachine] = (),
        unmanaged_services: Sequence[str] = (),
        per_record: bool = False,
        customize: Customize | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        if per_record and self._TYPE is not StateMachineType.EXPRESS:
            raise ValueError("only an Express workflow can answer a pipe: per_record=True needs one")
        customization = Customization(customize, "state_machine", "role", "log_group", "alarms")
        if (
            timeout
            and self._TYPE is StateMachineType.EXPRESS
            and timeout.to_seconds() > MAX_EXPRESS_TIMEOUT.to_seconds()
        ):
            raise ValueError(
                f"an Express workflow's timeout must be at most 300 seconds, got {timeout.to_seconds()}"
            )
        self.timeout = timeout or (PER_RECORD_TIMEOUT if per_record else self._DEFAULT_TIMEOUT)
        self.per_record = per_record
        source = asl.load(definition)
        if per_record:
            source = asl.per_record_definition(source)
        if self.timeout:
            source["TimeoutSeconds"] = self.timeout.to_seconds()
        source, resources = _fill(source, substitutions or {})
        names = {name: reference(resource) for name, resource in resources.items()}
        self.definition = asl.substitute(source, names)
        faults = check_definition(self.definition, workflow_type=self._TYPE.name)
        check_at_synth(self, lambda: faults)

        log_group = self._log_group(customization)
        role = self._role(customization)
        callbacks = [
            (each.resources.state_machine if isinstance(each, Workflow) else each).state_machine_arn
            for each in callback_targets
        ]
        for integration in asl.integrations(source):
            if integration.service not in unmanaged_services:
                for statement in statements_for(
                    integration,
                    resources=resources,
                    callbacks=callbacks,
                    event_source=f"commerce.{ServiceStack.of(self).service}",
                ):
                    role.add_to_policy(statement)
                    _acknowledge_executions(role, statement)
        state_machine = self._state_machine(customization, role, log_group)
        self.resources = WorkflowResources(
            state_machine=state_machine,
            role=role,
            log_group=log_group,
            alarms=self._alarms(customization, state_machine, log_group),
        )

    def log_every_event(self) -> LogGroup:
        """Log every event at every stage, for a metric that reads them.

        Returns:
            The log group, to filter.
        """
        machine = cast("CfnStateMachine", self.resources.state_machine.node.default_child)
        machine.add_property_override("LoggingConfiguration.Level", LogLevel.ALL.name)
        return self.resources.log_group

    def _log_group(self, customization: Customization) -> LogGroup:
        stage = ServiceStack.of(self).stage
        name = f"commerce-{stage.name}-{Names.unique_resource_name(self, max_length=64, separator='-')}"
        properties = customization.of(
            "log_group",
            enforced={},
            # Under /aws/vendedlogs/, delivery needs no growing resource policy (its limit is 5,120 characters).
            log_group_name=f"/aws/vendedlogs/states/{name}",
            retention=stage.log_retention,
            # A fixed name: a retained group would make the next deployment of the same stack fail.
            removal_policy=RemovalPolicy.DESTROY,
        )
        return LogGroup(self, "Logs", **properties)

    def _role(self, customization: Customization) -> Role:
        trust = {"assumed_by": on_behalf_of_this_account("states")}
        role = Role(self, "Role", **customization.of("role", enforced=trust))
        allow_unlimited(
            role, LOG_DELIVERY | TRACING, reason="Log delivery and X-Ray accept no narrower resource than *."
        )
        return role

    def _state_machine(self, customization: Customization, role: Role, log_group: LogGroup) -> StateMachine:
        stage = ServiceStack.of(self).stage
        # Not stack.to_json_string: jsii drops every null, and with it a variable that is assigned null.
        text = json.dumps(self.definition, separators=(",", ":"), ensure_ascii=False)
        properties = customization.of(
            "state_machine",
            enforced={
                "state_machine_type": self._TYPE,
                "definition_body": DefinitionBody.from_string(text),
                "role": role,
            },
            tracing_enabled=stage.tracing,
            logs=LogOptions(
                destination=log_group,
                # An Express execution leaves no other history than this log, but for its traces.
                level=LogLevel[stage.workflow_log_level],
                include_execution_data=stage.include_execution_data,
            ),
        )
        state_machine = StateMachine(self, "StateMachine", **properties)
        if stage.workflow_log_level != LogLevel.ALL.name:
            Validations.of(state_machine).acknowledge(
                Acknowledgment(
                    id="AwsSolutions-SF1",
                    reason="Successes are counted by metrics and sampled by traces; their events cost the most of all logs.",
                )
            )
        if not stage.tracing:
            Validations.of(state_machine).acknowledge(
                Acknowledgment(id="AwsSolutions-SF2", reason="The stage has no tracing.")
            )
        return state_machine

    def _alarms(
        self, customization: Customization, machine: StateMachine, log_group: LogGroup
    ) -> list[Alarm]:
        express = self._TYPE is StateMachineType.EXPRESS
        return [
            alarm_above(
                self,
                "UnfinishedAlarm",
                metric=MathExpression(
                    expression="FILL(failed, 0) + FILL(timedOut, 0) + FILL(throttled, 0)",
                    using_metrics={
                        "failed": machine.metric_failed(period=PERIOD),
                        "timedOut": machine.metric_timed_out(period=PERIOD),
                        "throttled": machine.metric_throttled(period=PERIOD),
                    },
                    period=PERIOD,
                    label="Executions that did not succeed",
                ),
                threshold=0,
                lasting=REPEATED if express else AT_ONCE,
                means=f"{self.node.id}: executions fail, run out of time or are throttled.",
                first="the workflow's log names the state and the error; the metrics say which of the three it is.",
                runbook="failing-workflow",
                query=saved(self, FAILED_EXECUTIONS, log_group),
                customized=customization.of("alarms", enforced={}),
            )
        ]


class StandardWorkflow(Workflow):
    """A `Workflow` of up to a year, exactly-once, that may wait for callbacks."""

    _TYPE = StateMachineType.STANDARD


class ExpressWorkflow(Workflow):
    """A `Workflow` of at most five minutes, at-least-once, synchronous behind an API or a pipe.

    Its timeout is 25 seconds by default, below API Gateway's 29.

    Examples:
        >>> workflow = ExpressWorkflow(stack, "Restock", definition={
        ...     "QueryLanguage": "JSONata", "StartAt": "Read", "States": {"Read": {
        ...         "Type": "Task", "Resource": "arn:aws:states:::dynamodb:getItem", "End": True,
        ...         "Arguments": {"TableName": "${Table}", "Key": {"pk": {"S": "{% $states.input.sku %}"}}}}}},
        ...     substitutions={"Table": table})
    """

    _TYPE = StateMachineType.EXPRESS
    _DEFAULT_TIMEOUT = DEFAULT_TIMEOUT
    timeout: Duration

    @cached_property
    def rollout(self) -> WorkflowRollout:
        """The alias `live` and the versions it moves between, as the stage's `rollout` says; made for who waits for it.

        An API that waits for the workflow starts the alias and gives it its alarm. Pipes start the workflow itself.
        """
        return WorkflowRollout(self, "Rollout", state_machine=self.resources.state_machine)


def _acknowledge_executions(role: Role, statement: PolicyStatement) -> None:
    """Tell cdk-nag why all executions of one state machine are meant, under the id that it makes of the ARN's parts."""
    for arn in statement.resources:
        if arn.endswith(":*"):
            _, parts = role.stack.resolve(arn)["Fn::Join"]
            text = "".join(
                part if isinstance(part, str) else json.dumps(part, separators=(",", ":")) for part in parts
            )
            reason = "An execution is named while the workflow runs; these are those of one state machine."
            Validations.of(role).acknowledge(
                Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{text}]", reason=reason)
            )


def _fill(
    definition: asl.Definition, substitutions: Mapping[str, Substitution]
) -> tuple[asl.Definition, dict[str, Resource]]:
    """The definition with its plain values, which may name resources, and the resources that are still to be named."""
    plain: dict[str, Plain] = {}
    resources: dict[str, Resource] = {}
    for name, value in substitutions.items():
        match value:
            case ServiceTable():
                resources[name] = value.resources.table
            case ServiceFunction():
                resources[name] = value.resources.alias
            case Workflow():
                resources[name] = value.resources.state_machine
            case None | str() | int() | float() | Sequence() | Mapping():
                plain[name] = value
            case _:
                resources[name] = value
    return asl.substitute(definition, plain, partial=True), resources
