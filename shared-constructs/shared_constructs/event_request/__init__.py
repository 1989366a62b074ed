"""Asking another service by event and waiting for its reply, from any Standard workflow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from aws_cdk.aws_logs import FilterPattern, MetricFilter
from constructs import Construct
from states_language.definition import load, substitute
from states_language.item_update import ItemUpdate

from shared_constructs.change_feed import DomainEvent, changed, equals
from shared_constructs.customize import Customization, Customize
from shared_constructs.express_workflow import ExpressWorkflow
from shared_constructs.queue_consumer import QueueConsumer
from shared_constructs.service import ServiceStack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import Duration
    from aws_cdk.aws_dynamodb import ITable
    from service_runtime.envelope import PublishedEvent
    from states_language.definition import Definition

    from shared_constructs.change_feed import Stored
    from shared_constructs.express_workflow import StandardWorkflow
    from shared_constructs.queue_consumer import Subscription
    from shared_constructs.table import ServiceTable

HERE = Path(__file__).parent

REJECTED = "Rejected"
"""The error by which a wait ends whose request was refused."""

LONGEST_DETAIL = 4096
"""Characters of a refusal's detail: six times as many, escaped in JSON, stay below the 32,768 that the cause of a task's
failure may have (Step Functions API reference, `TaskFailedEventDetails`)."""

REDELIVERIES = 2
"""A wait outlasts that many redeliveries: one crash on the way costs time, not the aggregate."""


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """Whose state waits.

    Attributes:
        table: The table of its items.
        aggregate_id: Name of its id: the workflow's variable, the item's attribute and the field in the data of
            request and replies, such as `orderId`.
        key: Key attributes in JSONata over that variable, `{"pk": "'ORDER#' & $orderId", "sk": "'ORDER'"}`.
        open_when: Whether it can still expect replies, in JSONata over `$item` (typed attributes).
    """

    table: ServiceTable | ITable
    aggregate_id: str
    key: Mapping[str, str]
    open_when: str

    @property
    def typed_key(self) -> dict[str, Any]:
        """The key as a state writes it."""
        return {name: {"S": f"{{% {value} %}}"} for name, value in self.key.items()}


@dataclass(frozen=True, kw_only=True)
class EventRequestResources:
    """What brings replies back to the workflow that waits.

    Attributes:
        workflow: Answers the wait.
        consumer: Brings it the replies.
        unexpected_replies: Counts those that nobody waits for.
    """

    workflow: ExpressWorkflow
    consumer: QueueConsumer
    unexpected_replies: MetricFilter


class EventRequest(Construct):
    """One question of a saga to another service: the state that asks, the event that carries it, the replies.

    The state is one conditional write to the aggregate's item (`aws-sdk:dynamodb:updateItem.waitForTaskToken`): the
    wait, what else changes with it, and the next version. The table's change feed turns that write into the request
    event (add `.event` to it), so there is no second write to lose; the task token stays in the item. A reply comes
    by queue and pipe to an Express workflow that reads the item consistently and answers the wait only if the reply's
    `causationId` is the id of the request that this very wait made.

    Every other reply is harmless and counted (metric `UnexpectedReplies`): a late or repeated one (its request is
    known to the item), and any reply to an aggregate that is closed or unknown. A reply to an open aggregate that
    never asked is retried and ends in the DLQ, where somebody should look.

    A reply that grants the request is the state's success, one that refuses it its failure (error `Rejected`), which is
    caught: the definition reads as the process. A customer or an operator needs to wake nobody: whatever closes the
    aggregate removes `wait`, late replies are counted, and the state ends with its time limit, which costs nothing.

    Conventions that the workflow must keep: it has the aggregate's id in the variable `$<aggregate_id>` and the version
    that it expects in `$version`, which every state made here counts up when it is answered. The item has `version`; it
    gets `wait` (`name`, `eventId`, `version`, `at`, `token`, `rejection`) and `requestIds`. Whatever changes the
    aggregate changes its version, which refuses a wait that did not expect it: then, and when no answer came, the
    workflow reads the item before it decides.

    Args:
        scope: Construct inside a `ServiceStack`.
        construct_id: Its id; tests feed the replies by it. In lower case it is the wait's name.
        aggregate: Whose state waits.
        request: Published model of the event that asks; its `expiresAt` is when the wait ends.
        accepted: The reply that grants the request.
        rejected: The reply that refuses it.
        rejection: Why, in JSONata over the refusing event's `$data`, a string; default none.
        time_limit: How long to wait; 1 second or more, and at least twice `longest_redelivery` and twice the
            visibility timeout of the replies' own queue. Waiting costs nothing.
        longest_redelivery: How long the request can stay away when a consumer of it is killed: the asked service's
            visibility timeout.
        data: Fields of the request that are stored elsewhere, see `DomainEvent`.
        customize: Further arguments of the `workflow` and the `consumer` of the replies, and properties of the
            metric filter `unexpected_replies`.

    Attributes:
        event: The request event, for the service's `ChangeFeed`.
        refusal: What a refusal says, `{"eventId", "detail"}`, in JSONata for the `Assign` of `state(refused=…)`.
        resources: What `listen` has built.

    Raises:
        ValueError: A time limit below one second or twice the longest redelivery, or a customized argument that the
            construct decides.

    Examples:
        >>> order = Aggregate(table=table, aggregate_id="orderId", open_when="$item.status.S = 'PLACED'",
        ...     key={"pk": "'ORDER#' & $orderId", "sk": "'ORDER'"})
        >>> stock = EventRequest(stack, "Stock", aggregate=order, request=StockReservationRequested,
        ...     accepted=Subscription(source="commerce.inventory", detail_type="StockReserved.v1"),
        ...     rejected=Subscription(source="commerce.inventory", detail_type="StockRejected.v1"),
        ...     time_limit=Duration.minutes(5), longest_redelivery=Duration.seconds(30))
        >>> why = {"cancelReason": "OUT_OF_STOCK", "cancelDetail": f"{{% {stock.refusal}.detail %}}"}
        >>> state = stock.state(reply="cause", then="RequestPayment", refused={"Next": "Cancel", "Assign": why},
        ...     changed="ReadOrder", unanswered={"Next": "ReadOrder"}, table="Orders")
        >>> state["Resource"]
        'arn:aws:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken'
        >>> [error for catcher in state["Catch"] for error in catcher["ErrorEquals"]]
        ['Rejected', 'DynamoDb.ConditionalCheckFailedException', 'States.ALL']
    """

    resources: EventRequestResources
    refusal: ClassVar[str] = "$parse($states.errorOutput.Cause)"

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        aggregate: Aggregate,
        request: type[PublishedEvent],
        accepted: Subscription,
        rejected: Subscription,
        time_limit: Duration,
        longest_redelivery: Duration,
        rejection: str = "''",
        data: Mapping[str, Stored | str] | None = None,
        customize: Customize | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._seconds = int(time_limit.to_seconds())
        if self._seconds < 1:
            raise ValueError(f"time_limit must be at least one second, got {self._seconds}")
        self._outlast(longest_redelivery)
        self._customization = Customization(customize, "workflow", "consumer", "unexpected_replies")
        self._aggregate, self._wait = aggregate, construct_id.lower()
        self._accepted, self._rejected, self._rejection = accepted, rejected, rejection
        ends = f"$fromMillis($toMillis($new.wait.at) + {self._seconds * 1000})"
        self.event = DomainEvent(
            request,
            aggregate_id=aggregate.aggregate_id,
            when=equals("wait.name", self._wait) & changed("wait"),
            # The version that the wait was made with: a republished request keeps its id.
            version="wait.version",
            data={"expiresAt": ends, **(data or {})},
        )

    def state(
        self,
        *,
        reply: str,
        then: str,
        refused: Definition,
        changed: str,
        unanswered: Definition,
        table: str,
        change: ItemUpdate | None = None,
    ) -> Definition:
        """The state that asks and waits.

        Args:
            reply: Variable that gets the id of the replying event, granting or refusing.
            then: The state after a reply that grants the request.
            refused: What follows a refusal, as in a `Catch`: `Next` and further variables to `Assign` (see `refusal`).
            changed: The state that reads the item: it had another version than expected, and nothing was asked.
            unanswered: What follows when the time limit has passed or the write failed for any other reason, as in a
                `Catch`; the question may have been asked, and answered since.
            table: Name of the definition's substitution that stands for the table.
            change: What the same write changes besides; default nothing.

        Returns:
            A Task state, to substitute for its name in the definition's `States`.
        """
        source, aggregate_id = f"commerce.{ServiceStack.of(self).service}", self._aggregate.aggregate_id
        event = f"'{source}|' & ${aggregate_id} & '|' & $string($version + 1) & '|{self.event.detail_type}'"
        asking = substitute(
            load(HERE / "asking.asl.yaml"),
            {
                "Table": f"${{{table}}}",
                "Key": self._aggregate.typed_key,
                "Request": self.event.detail_type,
                "EventId": f"$substring($hash({event}, 'SHA-256'), 0, 32)",
                "Wait": self._wait,
                "Rejected": REJECTED,
                "Seconds": self._seconds,
                "Reply": reply,
                "Then": then,
                "Refused": self._refused(reply, refused),
                "Changed": changed,
                "Unanswered": {"ErrorEquals": ["States.ALL"], **unanswered},
            },
        )
        return {**asking, "Arguments": (change or ItemUpdate()).added_to(asking["Arguments"])}

    def _refused(self, reply: str, then: Definition) -> Definition:
        answered = {"version": "{% $version + 1 %}", reply: f"{{% {self.refusal}.eventId %}}"}
        return {"ErrorEquals": [REJECTED], **then, "Assign": {**answered, **then.get("Assign", {})}}

    def listen(self, workflow: StandardWorkflow) -> None:
        """Build what brings the replies to the workflow that waits.

        Args:
            workflow: The workflow that `state` is part of.

        Raises:
            ValueError: The time limit is below twice the visibility timeout of the replies' queue.
        """
        answering = {
            "definition": HERE / "replies.asl.yaml",
            "substitutions": {
                "Table": self._aggregate.table,
                "Key": self._aggregate.typed_key,
                "AggregateId": self._aggregate.aggregate_id,
                "OpenWhen": self._aggregate.open_when,
                "Accepted": self._accepted.detail_type,
                "LongestDetail": LONGEST_DETAIL,
                "Rejection": self._rejection,
            },
            "callback_targets": (workflow,),
            "per_record": True,
        }
        replies = ExpressWorkflow(self, "Replies", **self._customization.of("workflow", enforced=answering))
        counting = {
            "log_group": replies.log_every_event(),
            # A state's name is in two lines of the log, of its entry and of its exit.
            "filter_pattern": FilterPattern.all(
                FilterPattern.string_value("$.type", "=", "SucceedStateEntered"),
                FilterPattern.string_value("$.details.name", "=", "Unexpected reply"),
            ),
        }
        metric = {
            "metric_namespace": ServiceStack.of(self).stage.metric_namespace,
            "metric_name": "UnexpectedReplies",
        }
        unexpected = self._customization.of("unexpected_replies", enforced=counting, **metric)
        source = {"target": replies, "subscriptions": [self._accepted, self._rejected]}
        consumer = QueueConsumer(self, "Consumer", **self._customization.of("consumer", enforced=source))
        self._outlast(consumer.visibility_timeout)
        self.resources = EventRequestResources(
            workflow=replies,
            unexpected_replies=MetricFilter(self, "UnexpectedReplies", **unexpected),
            consumer=consumer,
        )

    def _outlast(self, redelivery: Duration) -> None:
        least = REDELIVERIES * redelivery.to_seconds()
        if self._seconds < least:
            raise ValueError(
                f"{self.node.path}: time_limit must be at least {least:g} s, twice the longest redelivery on the way"
                f" ({redelivery.to_seconds():g} s), got {self._seconds} s: a killed consumer would cost the aggregate"
            )
