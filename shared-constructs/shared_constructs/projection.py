"""A read model of another service's facts, kept by version; no function involved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from constructs import Construct
from states_language.definition import library

from shared_constructs.express_workflow import ExpressWorkflow
from shared_constructs.queue_consumer import QueueConsumer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk.aws_dynamodb import ITable
    from states_language.definition import Definition

    from shared_constructs.queue_consumer import Batching, Subscription
    from shared_constructs.table import ServiceTable


_FIELD = re.compile(r"\$(?:data|metadata)(?:\.[A-Za-z_][A-Za-z0-9_]*)+")


class Projection(Construct):
    """Events into items of a table, newest version wins.

    Builds a ``QueueConsumer`` with an Express workflow that writes each event with one conditional update: only if the
    item does not exist or holds an older version. An event that comes late, again or out of order changes nothing,
    whatever the order, so any delivery of the same events ends in the same item.

    Keys and attributes are JSONata expressions (without ``{% %}``) over ``$data`` (the event's data) and ``$metadata``.
    An attribute whose expression gives nothing is removed from the item.

    Args:
        scope: construct inside a ``ServiceStack``.
        construct_id: its id; tests feed the projection by it.
        table: a ``ServiceTable`` or table.
        subscriptions: the events.
        key: key attributes of the item, ``{"pk": "'PRODUCT#' & $data.sku", "sk": "'PRODUCT'"}``.
        attributes: the attributes that the event determines, ``{"name": "$data.name", "price": "$data.price"}``.
        version: the version that decides; default the aggregate's.
        version_attribute: where the item keeps it; several projections into one item need one each.
        batching: see ``QueueConsumer``.

    Attributes:
        consumer: the queue consumer.
        workflow: the workflow.
        alarms: all alarms of both.

    Raises:
        ValueError: no key, no attributes, or one of them is also the version attribute.

    Example:
        >>> projection = Projection(stack, "Catalogue", table=table,
        ...     subscriptions=[Subscription(source="commerce.product", detail_type="ProductChanged.v1")],
        ...     key={"pk": "'PRODUCT#' & $data.sku", "sk": "'PRODUCT'"}, attributes={"name": "$data.name"})
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: ServiceTable | ITable,
        subscriptions: Sequence[Subscription],
        key: Mapping[str, str],
        attributes: Mapping[str, str],
        version: str = "$metadata.aggregateVersion",
        version_attribute: str = "version",
        batching: Batching | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        if not key or not attributes:
            raise ValueError("a projection needs the item's key and at least one attribute")
        if clash := {version_attribute} & ({*key} | {*attributes}) or {*key} & {*attributes}:
            raise ValueError(
                f"{', '.join(sorted(clash))} is written twice; key, attributes and version must differ"
            )
        self.workflow = ExpressWorkflow(
            self,
            "Workflow",
            definition=_definition(key, {version_attribute: version, **attributes}),
            substitutions={"Table": table},
            per_record=True,
        )
        self.consumer = QueueConsumer(
            self, "Consumer", target=self.workflow, subscriptions=subscriptions, batching=batching
        )
        self.alarms = [*self.workflow.resources.alarms, *self.consumer.resources.alarms]


def _definition(key: Mapping[str, str], attributes: Mapping[str, str]) -> Definition:
    """One conditional update; the first attribute is the version.

    Only the attributes that the event has can be set, and DynamoDB refuses names and values that an expression does
    not use, so the expression is put together from those that exist.
    """
    keys = ", ".join(f"'{name}': $typed({_complete(expression)})" for name, expression in key.items())
    fields = ",\n".join(
        f"{{'n': '#{position}', 'p': ':{position}', 'name': '{name}', 'value': {expression}}}"
        for position, (name, expression) in enumerate(attributes.items())
    )
    arguments = f"""{{% (
$metadata := $states.input.detail.metadata;
$data := $states.input.detail.data;
$typed := {library("typed")};
$fields := [{fields}];
$set := $fields[$exists(value)];
$gone := $fields[$not($exists(value))];
{{
  'TableName': '${{Table}}',
  'Key': {{{keys}}},
  'ConditionExpression': 'attribute_not_exists(#0) OR #0 < :0',
  'UpdateExpression': 'SET ' & $join($set.(n & ' = ' & p), ', ') & ($exists($gone) ? ' REMOVE ' & $join($gone.n, ', ') : ''),
  'ExpressionAttributeNames': $merge($fields.{{n: name}}),
  'ExpressionAttributeValues': $merge($set.{{p: $typed(value)}})
}}
) %}}"""
    return {
        "QueryLanguage": "JSONata",
        "StartAt": "Write if newer",
        "States": {
            "Write if newer": {
                "Type": "Task",
                "Resource": "arn:aws:states:::dynamodb:updateItem",
                "TimeoutSeconds": 10,
                "Arguments": arguments,
                "Retry": [
                    # An older version stays refused: the first entry that matches decides.
                    {"ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"], "MaxAttempts": 0},
                    {
                        "ErrorEquals": ["States.TaskFailed"],
                        "IntervalSeconds": 1,
                        "BackoffRate": 2,
                        "MaxAttempts": 3,
                        "MaxDelaySeconds": 5,
                        "JitterStrategy": "FULL",
                    },
                ],
                "Catch": [
                    {"ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"], "Next": "Already newer"},
                ],
                "End": True,
            },
            "Already newer": {"Type": "Succeed"},
        },
    }


def _complete(expression: str) -> str:
    """A key expression that gives nothing when a field it reads is absent, rather than the key of another item.

    (JSONata concatenates what is absent as empty text.) DynamoDB refuses such a key, and the message fails.
    """
    read = " and ".join(f"$exists({path})" for path in sorted(set(_FIELD.findall(expression))))
    return f"({read}) ? ({expression})" if read else expression
