"""Workflows from a JSONata definition, with least privilege, logs, tracing and alarms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_cdk import Acknowledgment, Duration, Names, RemovalPolicy, Validations
from aws_cdk.aws_iam import Role, ServicePrincipal
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

from shared_constructs.alarms import PERIOD, alarm_above
from shared_constructs.permissions import reference, statements_for, unwrap
from shared_constructs.service import ServiceStack
from shared_constructs.validation import check_at_synth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aws_cdk.aws_cloudwatch import Alarm

# AWS Step Functions quotas: an Express execution lasts at most five minutes, and so does a synchronous one behind a
# pipe; API Gateway gives up on its integration after 29 seconds.
MAX_EXPRESS_TIMEOUT = Duration.minutes(5)
DEFAULT_TIMEOUT = Duration.seconds(25)


class _Workflow(Construct):
    """What Express and Standard workflows have in common."""

    _TYPE: StateMachineType

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        definition: Path | Mapping[str, Any],
        substitutions: Mapping[str, Any] | None = None,
        timeout: Duration | None = None,
        callback_targets: Sequence[Any] = (),
        unmanaged_services: Sequence[str] = (),
        per_record: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        self.per_record = per_record
        resources = dict(substitutions or {})
        source = asl.load(definition)
        if per_record:
            source = asl.per_record_definition(source)
        if timeout is not None:
            source["TimeoutSeconds"] = timeout.to_seconds()
        self.definition = asl.substitute(
            source, {name: reference(value) for name, value in resources.items()}
        )
        faults = check_definition(self.definition, workflow_type=self._TYPE.name)
        check_at_synth(self, lambda: faults)

        name = f"commerce-{stack.stage.name}-{Names.unique_resource_name(self, max_length=64, separator='-')}"
        self.log_group = LogGroup(
            self,
            "Logs",
            # Under /aws/vendedlogs/, delivery needs no growing resource policy (its limit is 5,120 characters).
            log_group_name=f"/aws/vendedlogs/states/{name}",
            retention=stack.stage.log_retention,
            # A fixed name: a retained group would make the next deployment of the same stack fail.
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = Role(self, "Role", assumed_by=ServicePrincipal("states.amazonaws.com"))
        callbacks = [unwrap(machine).state_machine_arn for machine in callback_targets]
        for integration in asl.integrations(source):
            if integration.service not in unmanaged_services:
                for statement in statements_for(
                    integration,
                    resources=resources,
                    callbacks=callbacks,
                    event_source=f"commerce.{stack.service}",
                ):
                    self.role.add_to_policy(statement)
        self.state_machine = StateMachine(
            self,
            "StateMachine",
            state_machine_type=self._TYPE,
            # Not stack.to_json_string: jsii drops every null, and with it a variable that is assigned null.
            definition_body=DefinitionBody.from_string(
                json.dumps(self.definition, separators=(",", ":"), ensure_ascii=False)
            ),
            role=self.role,
            tracing_enabled=stack.stage.tracing,
            logs=LogOptions(
                destination=self.log_group,
                # An Express execution leaves no other history than this log.
                level=LogLevel.ALL,
                include_execution_data=stack.stage.include_execution_data,
            ),
        )
        Validations.of(self.role).acknowledge(
            Acknowledgment(
                id="AwsSolutions-IAM5[Resource::*]",
                reason="Log delivery and X-Ray accept no narrower resource than *.",
            )
        )
        if not stack.stage.tracing:
            Validations.of(self.state_machine).acknowledge(
                Acknowledgment(id="AwsSolutions-SF2", reason="The stage has no tracing.")
            )
        self.alarms = self._alarms()

    def _alarms(self) -> list[Alarm]:
        machine = self.state_machine
        watched = {
            "Failed": (
                machine.metric_failed(period=PERIOD),
                "executions failed: the log names the state and the error.",
            ),
            "TimedOut": (
                machine.metric_timed_out(period=PERIOD),
                "executions ran out of time: see which state waits.",
            ),
            "Throttled": (
                machine.metric_throttled(period=PERIOD),
                "executions were throttled: the quota is exhausted.",
            ),
        }
        return [
            alarm_above(
                self, f"{kind}Alarm", metric=metric, threshold=0, description=f"{self.node.id}: {meaning}"
            )
            for kind, (metric, meaning) in watched.items()
        ]


class ExpressWorkflow(_Workflow):
    """An Express workflow: at most five minutes, at-least-once, synchronous behind an API or a pipe.

    Builds the state machine with a role of its own, a log group under ``/aws/vendedlogs/`` (every event; execution
    data only where the stage says), X-Ray tracing, and alarms on failed, timed-out and throttled executions. The
    definition is checked at synth (``states_language.rules``), beyond what CloudFormation's schema knows.

    The role gets exactly the actions of the service integrations that the definition uses, each on the resources
    that the state names through substitutions: DynamoDB on those tables (and the literal indexes), ``events:PutEvents``
    on that bus and for this service's own source only, SQS, Lambda, Step Functions.

    Args:
        scope: construct inside a ``ServiceStack``.
        construct_id: its id.
        definition: a ``.asl.json`` or ``.asl.yaml`` file in JSONata, or the definition itself.
        substitutions: value of each ``${Name}`` in it: plain JSON values (typed when alone in their string), or the
            resources themselves (a table stands for its name, a bus for its name, a queue for its URL, a function or
            state machine for its ARN), which also grants what the states do with them.
        timeout: of the whole execution, at most 5 minutes; default 25 seconds, below API Gateway's 29.
        callback_targets: state machines whose task tokens this workflow answers.
        unmanaged_services: services whose permissions the caller grants on ``.role``.
        per_record: the definition says what to do with one event; it is wrapped so that a ``QueueConsumer`` can
            give it batches and learn which messages failed.

    Attributes:
        state_machine: the L2 state machine.
        log_group: its log group.
        role: its execution role.
        alarms: failed, timed out, throttled.
        definition: the definition as deployed.

    Raises:
        ValueError: unknown or unused substitutions, a timeout beyond the limit, a task without a resource to limit
            its permission to.

    Example:
        >>> workflow = ExpressWorkflow(stack, "Restock", definition={
        ...     "QueryLanguage": "JSONata", "StartAt": "Read", "States": {"Read": {
        ...         "Type": "Task", "Resource": "arn:aws:states:::dynamodb:getItem", "End": True,
        ...         "Arguments": {"TableName": "${Table}", "Key": {"pk": {"S": "{% $states.input.sku %}"}}}}}},
        ...     substitutions={"Table": table})
    """

    _TYPE = StateMachineType.EXPRESS

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        definition: Path | Mapping[str, Any],
        substitutions: Mapping[str, Any] | None = None,
        timeout: Duration = DEFAULT_TIMEOUT,
        callback_targets: Sequence[Any] = (),
        unmanaged_services: Sequence[str] = (),
        per_record: bool = False,
    ) -> None:
        if timeout.to_seconds() > MAX_EXPRESS_TIMEOUT.to_seconds():
            raise ValueError(
                f"an Express workflow's timeout must be at most 300 seconds, got {timeout.to_seconds()}"
            )
        super().__init__(
            scope,
            construct_id,
            definition=definition,
            substitutions=substitutions,
            timeout=timeout,
            callback_targets=callback_targets,
            unmanaged_services=unmanaged_services,
            per_record=per_record,
        )
        self.timeout = timeout


class StandardWorkflow(_Workflow):
    """A Standard workflow: up to a year, exactly-once, may wait for callbacks; otherwise as ``ExpressWorkflow``.

    Args:
        scope: construct inside a ``ServiceStack``.
        construct_id: its id.
        definition: see ``ExpressWorkflow``.
        substitutions: see ``ExpressWorkflow``.
        timeout: of the whole execution; default none (a year).
        callback_targets: see ``ExpressWorkflow``.
        unmanaged_services: see ``ExpressWorkflow``.
    """

    _TYPE = StateMachineType.STANDARD

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        definition: Path | Mapping[str, Any],
        substitutions: Mapping[str, Any] | None = None,
        timeout: Duration | None = None,
        callback_targets: Sequence[Any] = (),
        unmanaged_services: Sequence[str] = (),
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            definition=definition,
            substitutions=substitutions,
            timeout=timeout,
            callback_targets=callback_targets,
            unmanaged_services=unmanaged_services,
        )
