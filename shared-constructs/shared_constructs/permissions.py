"""The permissions of a workflow's role, derived from the AWS calls that its definition makes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Aws, Fn, Validations
from aws_cdk.aws_iam import CfnPolicy, PolicyStatement, ServicePrincipal

from shared_constructs.validation import check_at_synth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk.aws_dynamodb import ITable
    from aws_cdk.aws_events import IEventBus
    from aws_cdk.aws_iam import Role
    from aws_cdk.aws_lambda import IFunction
    from aws_cdk.aws_sqs import IQueue
    from aws_cdk.aws_stepfunctions import IStateMachine
    from states_language.definition import TaskIntegration

    Resource = ITable | IEventBus | IQueue | IFunction | IStateMachine

# What a transaction's parts need: IAM knows no action for the transaction itself.
_TRANSACTION_PARTS = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Get": "dynamodb:GetItem",
}
# Where the IAM name is not the service's name and the action in PascalCase.
_IAM_SERVICES = {"sfn": "states", "states": "states"}
_IAM_ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction", "sqs:SendMessageBatch": "sqs:SendMessage"}
# The attribute that tells what kind of resource a substitution is, by the service whose calls it serves.
_ARN_ATTRIBUTES = {
    "dynamodb": "table_arn",
    "events": "event_bus_arn",
    "sqs": "queue_arn",
    "lambda": "function_arn",
    "sfn": "state_machine_arn",
    "states": "state_machine_arn",
}
_REFERENCES = ("table_name", "event_bus_name", "queue_url", "function_arn", "state_machine_arn")
# Calls about an execution, whose ARN has the state machine's name instead of its own kind of resource.
_EXECUTION_ACTIONS = frozenset({"describeExecution", "stopExecution"})
_CALLBACK_ACTIONS = frozenset({"sendTaskSuccess", "sendTaskFailure", "sendTaskHeartbeat"})

LOG_DELIVERY = frozenset(
    f"logs:{action}"
    for action in (
        "CreateLogDelivery",
        "DeleteLogDelivery",
        "DescribeLogGroups",
        "DescribeResourcePolicies",
        "GetLogDelivery",
        "ListLogDeliveries",
        "PutResourcePolicy",
        "UpdateLogDelivery",
    )
)
"""What Step Functions needs to send its logs, which has no narrower resource than `*`
(https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy)."""

TRACING = frozenset(
    f"xray:{action}"
    for action in (
        "GetSamplingRules",
        "GetSamplingTargets",
        "PutTelemetryRecords",
        "PutTraceSegments",
    )
)
"""What writes traces, which has no narrower resource than `*`
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html)."""


def allow_unlimited(role: Role, actions: frozenset[str], *, reason: str) -> None:
    """Acknowledge the resource `*` for some actions of a role, and for those alone.

    cdk-nag's finding names the resource and not the action, so that its acknowledgement would cover everything that is
    ever granted on `*`. The rest is therefore refused here.

    Args:
        role: The role, whose own policies are checked when the app is synthesized.
        actions: Those that AWS can limit to no resource.
        reason: Why these, for whoever reads cdk-nag's report.
    """
    Validations.of(role).acknowledge(Acknowledgment(id="AwsSolutions-IAM5[Resource::*]", reason=reason))

    def check() -> list[str]:
        unlimited = {
            action
            for policy in role.node.find_all()
            if isinstance(policy, CfnPolicy)
            for statement in role.stack.resolve(policy.policy_document)["Statement"]
            if statement["Effect"] == "Allow" and "*" in _several(statement["Resource"])
            for action in map(str, _several(statement["Action"]))
        }
        if not (refused := sorted(unlimited - actions)):
            return []
        done = ", ".join(refused)
        return [f"{role.node.path} may do {done} to every resource: name the resources that it is meant for"]

    check_at_synth(role, check)


def _several(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def on_behalf_of_this_account(service: str) -> ServicePrincipal:
    """A service that may take a role on, for resources of this account only: the guard against confused deputies.

    Step Functions, Pipes and Scheduler say whom they act for, and their documentation asks for the condition
    (https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html,
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-permissions.html). API Gateway's and Lambda's do not
    say that they tell when they take on a role, and a condition on a key that is absent refuses everybody: roles of
    theirs are protected by iam:PassRole, which no other account has.

    Args:
        service: `states` or `pipes`.
    """
    return ServicePrincipal(
        f"{service}.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
    )


def reference(resource: Resource) -> str:
    """What a definition writes to name a resource: a table's name, a queue's URL, ….

    Args:
        resource: A table, bus, queue, function or state machine.

    Raises:
        ValueError: Anything else.
    """
    for attribute in _REFERENCES:
        if hasattr(resource, attribute):
            return str(getattr(resource, attribute))
    raise ValueError(
        f"a substitution is a plain value or one of the resources that workflows use, got {resource!r}"
    )


def statements_for(
    integration: TaskIntegration,
    *,
    resources: Mapping[str, Resource],
    callbacks: list[str],
    event_source: str,
) -> list[PolicyStatement]:
    """The statements that one task needs.

    Args:
        integration: The task.
        resources: What the substitutions of the whole definition stand for; only those that the task uses are granted.
        callbacks: ARNs of the state machines whose waits the task may answer (`sendTaskSuccess` and the like).
        event_source: The only source that `events:PutEvents` may use.

    Raises:
        ValueError: The task names no resource that its permission could be limited to, or calls a service that this
            library derives no permissions for.
    """
    actions = _actions(integration)
    if integration.action in _CALLBACK_ACTIONS:
        if not callbacks:
            raise ValueError(
                f"state {integration.state!r} answers a task token: pass callback_targets=(the state machine that waits,)"
            )
        return [PolicyStatement(actions=actions, resources=callbacks)]
    attribute = _ARN_ATTRIBUTES.get(integration.service)
    if attribute is None:
        known = ", ".join(sorted(_ARN_ATTRIBUTES))
        raise ValueError(
            f"state {integration.state!r} calls {integration.service}: permissions are derived for {known}; grant"
            f" others on the workflow's role and pass unmanaged_services=({integration.service!r},)"
        )
    used = [resources[name] for name in sorted(integration.substitutions)]
    arns = [getattr(resource, attribute) for resource in used if hasattr(resource, attribute)]
    if not arns:
        raise ValueError(
            f"state {integration.state!r} ({integration.resource}) names no resource: pass the {integration.service}"
            " resource itself as a substitution and use it in the state's Arguments"
        )
    if integration.action in _EXECUTION_ACTIONS:
        arns = [_executions(arn) for arn in arns]
    if integration.service == "dynamodb":
        arns += [f"{arn}/index/{index}" for arn in arns for index in _indexes(integration)]
    statement = PolicyStatement(actions=actions, resources=arns)
    if actions == ["events:PutEvents"]:
        statement.add_condition("StringEquals", {"events:source": event_source})
    return [statement]


def _executions(state_machine_arn: str) -> str:
    parts = Fn.split(":", state_machine_arn, 7)
    return ":".join([*parts[:5], "execution", parts[6], "*"])


def _actions(integration: TaskIntegration) -> list[str]:
    if integration.action in {"transactWriteItems", "transactGetItems"}:
        body = json.dumps(integration.body)
        return sorted(
            action
            for part, action in _TRANSACTION_PARTS.items()
            if re.search(rf"[\"']{part}\\?[\"']\s*:", body)
        )
    service = _IAM_SERVICES.get(integration.service, integration.service)
    action = f"{service}:{integration.action[0].upper()}{integration.action[1:]}"
    return [_IAM_ACTIONS.get(action, action)]


def _indexes(integration: TaskIntegration) -> list[str]:
    return sorted(
        set(
            re.findall(
                r"[\"']IndexName\\?[\"']\s*:\s*\\?[\"']([A-Za-z0-9_.-]+)", json.dumps(integration.body)
            )
        )
    )
