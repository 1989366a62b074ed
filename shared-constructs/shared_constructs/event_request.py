"""Asking another service by event and waiting for its reply, from any Standard workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk.aws_logs import FilterPattern, MetricFilter
from constructs import Construct

from shared_constructs.change_feed import DomainEvent
from shared_constructs.express_workflow import ExpressWorkflow
from shared_constructs.queue_consumer import QueueConsumer
from shared_constructs.service import ServiceStack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import Duration
    from aws_cdk.aws_dynamodb import ITable
    from states_language.definition import Definition

    from shared_constructs.express_workflow import StandardWorkflow
    from shared_constructs.queue_consumer import Subscription
    from shared_constructs.table import ServiceTable

_CONDITION_FAILED = "DynamoDb.ConditionalCheckFailedException"


class EventRequest(Construct):
    """One question of a saga to another service: the state that asks, the event that carries it, the replies.

    The state is one conditional write to the aggregate's item (``aws-sdk:dynamodb:updateItem.waitForTaskToken``): the
    wait, what else changes with it, and the next version. The table's change feed turns that write into the request
    event (add ``.event`` to it), so there is no second write to lose; the task token stays in the item. A reply comes
    by queue and pipe to an Express workflow that reads the item consistently and answers the wait only if the reply's
    ``causationId`` is the id of the request that this very wait made.

    Every other reply is harmless and counted (metric ``UnexpectedReplies``): a late or repeated one (its request is
    known to the item), and any reply to an aggregate that is closed or unknown. A reply to an open aggregate that
    never asked is retried and ends in the DLQ, where somebody should look.

    Conventions that the workflow must keep: it has the aggregate's id in the variable ``$<aggregate_id>`` and the version
    that it read in ``$version``, and reads the item again after every state made here. The item has ``version``; it
    gets ``wait`` (``name``, ``eventId``, ``version``, ``at``, ``token``) and ``requestIds``. Whatever closes or
    cancels the aggregate changes its version or sets ``cancelRequested``, which both refuse the wait.

    Args:
        scope: construct inside a ``ServiceStack``.
        construct_id: its id; tests feed the replies by it.
        table: the table of the aggregate.
        aggregate_id: name of the aggregate's id: the workflow's variable, the item's attribute and the field in the data
            of request and replies, such as ``orderId``.
        key: key attributes in JSONata over that variable, ``{"pk": "'ORDER#' & $orderId", "sk": "'ORDER'"}``.
        wait: name of the wait, such as ``stock``.
        request: detail type of the event that asks.
        data: its data in JSONata over ``$new`` (the item) and ``$expiresAt`` (when the wait ends, RFC 3339).
        accepted: the reply that grants the request.
        rejected: the reply that refuses it.
        rejection: why, in JSONata over the refusing event's ``$data``, a string; default none.
        open_when: whether the aggregate can still expect replies, in JSONata over ``$item`` (typed attributes).
        time_limit: how long to wait; 1 second or more.
        writes: further attributes of the same write, JSONata over the workflow's variables and ``$now()``; strings.
        appends: objects to append to list attributes of the item, in the same way.

    Attributes:
        event: the request event, for the service's ``ChangeFeed``.
        consumer: the queue consumer of the replies, once ``listen`` was called.

    Raises:
        ValueError: a time limit below one second.

    Example:
        >>> stock = EventRequest(stack, "Stock", table=table, aggregate_id="orderId", wait="stock",
        ...     key={"pk": "'ORDER#' & $orderId", "sk": "'ORDER'"}, request="StockReservationRequested.v1",
        ...     data="{'orderId': $new.orderId, 'expiresAt': $expiresAt}",
        ...     accepted=Subscription(source="commerce.inventory", detail_type="StockReserved.v1"),
        ...     rejected=Subscription(source="commerce.inventory", detail_type="StockRejected.v1"),
        ...     open_when="$item.status.S = 'PLACED'", time_limit=Duration.seconds(30))
        >>> state = stock.state(reply="stockReply", then="ReadOrder", timed_out="WaitTimedOut", table="Orders")
        >>> state["Resource"]
        'arn:aws:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken'
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: ServiceTable | ITable,
        aggregate_id: str,
        key: Mapping[str, str],
        wait: str,
        request: str,
        data: str,
        accepted: Subscription,
        rejected: Subscription,
        open_when: str,
        time_limit: Duration,
        rejection: str = "''",
        writes: Mapping[str, str] | None = None,
        appends: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._seconds = int(time_limit.to_seconds())
        if self._seconds < 1:
            raise ValueError(f"time_limit must be at least one second, got {self._seconds}")
        self._table = table
        self._aggregate_id = aggregate_id
        self._key = key
        self._wait = wait
        self._accepted, self._rejected, self._rejection = accepted, rejected, rejection
        self._open_when = open_when
        self._writes, self._appends = dict(writes or {}), dict(appends or {})
        self._source = f"commerce.{ServiceStack.of(self).service}"
        self.event = DomainEvent(
            detail_type=request,
            aggregate_id=f"$new.{aggregate_id}",
            when=f"$new.wait.name = '{wait}' and $changed('wait')",
            # The version that the wait was made with: a republished request keeps its id.
            version="$new.wait.version",
            data=(f"($expiresAt := $fromMillis($toMillis($new.wait.at) + {self._seconds * 1000}); {data})"),
        )
        self.consumer: QueueConsumer | None = None

    def state(self, *, reply: str, then: str, timed_out: str, table: str) -> Definition:
        """The state that asks and waits.

        Args:
            reply: variable that gets the reply, ``{"outcome": "accepted" | "rejected", "eventId", "detail"}``; it is
                null when the wait was ended by another output, such as ``{"outcome": "cancelled"}``.
            then: the state that reads the item again: after a reply, and when the item had changed meanwhile.
            timed_out: the state after the time limit.
            table: name of the definition's substitution that stands for the table.

        Returns:
            A Task state to put into the definition's ``States``.
        """
        names = {
            "#wait": "wait",
            "#version": "version",
            "#updatedAt": "updatedAt",
            "#requestIds": "requestIds",
        }
        values: dict[str, Any] = {
            ":version": {"N": "{% $string($version) %}"},
            ":next": {"N": "{% $string($version + 1) %}"},
            ":now": {"S": "{% $now() %}"},
            ":wait": {
                "M": {
                    "name": {"S": self._wait},
                    "eventId": {"S": f"{{% {self._event_id()} %}}"},
                    "version": {"N": "{% $string($version + 1) %}"},
                    "at": {"S": "{% $now() %}"},
                    "token": {"S": "{% $states.context.Task.Token %}"},
                }
            },
            # A list and not a set: the aws-sdk integration spells the type "Ss", the optimized one that reads it "SS".
            ":requestIds": {"L": [{"S": f"{{% {self._event_id()} %}}"}]},
            ":none": {"L": []},
        }
        sets = [
            "#wait = :wait",
            "#version = :next",
            "#updatedAt = :now",
            "#requestIds = list_append(if_not_exists(#requestIds, :none), :requestIds)",
        ]
        for position, (name, value) in enumerate(self._writes.items()):
            names[f"#w{position}"] = name
            values[f":w{position}"] = {"S": f"{{% {value} %}}"}
            sets.append(f"#w{position} = :w{position}")
        for position, (name, value) in enumerate(self._appends.items()):
            names[f"#a{position}"] = name
            values[f":a{position}"] = {"L": f"{{% [{value}] %}}"}
            sets.append(f"#a{position} = list_append(#a{position}, :a{position})")
        return {
            "Type": "Task",
            "Comment": f"Ask by {self.event.detail_type} and wait for the reply.",
            "Resource": "arn:aws:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken",
            # A literal: how long an order waits is part of the deployed definition, not of the data.
            "TimeoutSeconds": self._seconds,
            "Arguments": {
                "TableName": f"${{{table}}}",
                "Key": {name: {"S": f"{{% {value} %}}"} for name, value in self._key.items()},
                "ConditionExpression": "#version = :version AND attribute_not_exists(cancelRequested)",
                "UpdateExpression": f"SET {', '.join(sets)}",
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": values,
            },
            "Assign": {
                reply: "{% $states.result.outcome in ['accepted', 'rejected'] ? $states.result : null %}"
            },
            "Retry": [
                {"ErrorEquals": [_CONDITION_FAILED], "MaxAttempts": 0},
                {
                    "ErrorEquals": ["States.TaskFailed"],
                    "IntervalSeconds": 1,
                    "MaxAttempts": 5,
                    "BackoffRate": 2,
                    "MaxDelaySeconds": 10,
                    "JitterStrategy": "FULL",
                },
            ],
            "Catch": [
                {"ErrorEquals": [_CONDITION_FAILED], "Next": then},
                {"ErrorEquals": ["States.Timeout"], "Next": timed_out},
            ],
            "Next": then,
        }

    def listen(self, workflow: StandardWorkflow) -> QueueConsumer:
        """Build what brings the replies to the workflow that waits.

        Args:
            workflow: the workflow that ``state`` is part of.
        """
        replies = ExpressWorkflow(
            self,
            "Replies",
            definition=self._replies(),
            substitutions={"Table": self._table},
            callback_targets=(workflow,),
            per_record=True,
        )
        MetricFilter(
            self,
            "UnexpectedReplies",
            log_group=replies.resources.log_group,
            # A state's name is in two lines of the log, of its entry and of its exit.
            filter_pattern=FilterPattern.all(
                FilterPattern.string_value("$.type", "=", "SucceedStateEntered"),
                FilterPattern.string_value("$.details.name", "=", "Unexpected reply"),
            ),
            metric_namespace="Commerce",
            metric_name="UnexpectedReplies",
        )
        self.consumer = QueueConsumer(
            self, "Consumer", target=replies, subscriptions=[self._accepted, self._rejected]
        )
        return self.consumer

    def _event_id(self) -> str:
        parts = f"'{self._source}|' & ${self._aggregate_id} & '|' & $string($version + 1) & '|{self.event.detail_type}'"
        return f"$substring($hash({parts}, 'SHA-256'), 0, 32)"

    def _replies(self) -> Definition:
        retry = [
            {"ErrorEquals": ["Sfn.TaskTimedOutException", "Sfn.TaskDoesNotExistException"], "MaxAttempts": 0},
            {
                "ErrorEquals": ["States.TaskFailed"],
                "IntervalSeconds": 1,
                "MaxAttempts": 2,
                "BackoffRate": 2,
                "JitterStrategy": "FULL",
            },
        ]
        return {
            "QueryLanguage": "JSONata",
            "StartAt": "Read reply",
            "States": {
                "Read reply": {
                    "Type": "Pass",
                    "Assign": {
                        "reply": "{% $states.input %}",
                        self._aggregate_id: f"{{% $states.input.detail.data.{self._aggregate_id} %}}",
                        "causationId": "{% $states.input.detail.metadata.causationId %}",
                    },
                    "Next": "Read item",
                },
                "Read item": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::dynamodb:getItem",
                    "TimeoutSeconds": 5,
                    "Arguments": {
                        "TableName": "${Table}",
                        "Key": {name: {"S": f"{{% {value} %}}"} for name, value in self._key.items()},
                        "ConsistentRead": True,
                    },
                    "Retry": retry[1:],
                    "Assign": {"item": "{% $exists($states.result.Item) ? $states.result.Item : null %}"},
                    "Next": "Whose reply",
                },
                "Whose reply": {
                    "Type": "Choice",
                    "Choices": [
                        {
                            "Condition": "{% $item != null and $item.wait.M.eventId.S = $causationId %}",
                            "Next": "Answer",
                        },
                        {
                            "Condition": f"{{% $item = null or $not({self._open_when})"
                            " or $causationId in $item.requestIds.L.S %}",
                            "Next": "Unexpected reply",
                        },
                    ],
                    "Default": "Never asked",
                },
                "Answer": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::aws-sdk:sfn:sendTaskSuccess",
                    "TimeoutSeconds": 5,
                    "Arguments": {
                        "TaskToken": "{% $item.wait.M.token.S %}",
                        "Output": (
                            "{% ($data := $reply.detail.data; $string({"
                            f"'outcome': $reply.'detail-type' = '{self._accepted.detail_type}' ? 'accepted' : 'rejected',"
                            "'eventId': $reply.detail.metadata.eventId,"
                            f"'detail': $reply.'detail-type' = '{self._accepted.detail_type}' ? '' : $string({self._rejection})"
                            "})) %}"
                        ),
                    },
                    "Retry": retry,
                    # The wait is over: its time ran out, or this is the redelivery of an answer that was lost.
                    "Catch": [{"ErrorEquals": retry[0]["ErrorEquals"], "Next": "Unexpected reply"}],
                    "End": True,
                },
                "Unexpected reply": {"Type": "Succeed"},
                "Never asked": {
                    "Type": "Fail",
                    "Error": "NeverAsked",
                    "Cause": "The reply names a request that this open aggregate never made.",
                },
            },
        }
