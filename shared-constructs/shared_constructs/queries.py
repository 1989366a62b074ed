"""What is asked of a service's logs first, saved where Logs Insights offers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk.aws_logs import CfnQueryDefinition
from constructs import Construct

from shared_constructs.service import ServiceStack

if TYPE_CHECKING:
    from aws_cdk.aws_logs import ILogGroup

MAX_LOG_GROUPS = 50
"""One query reads no more: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html"""


@dataclass(frozen=True, kw_only=True)
class Query:
    """A question to logs, in Logs Insights' language.

    Attributes:
        name: Of the saved query, behind `commerce/<stage>/<service>/`.
        text: The question.
    """

    name: str
    text: str


FAILED_REQUESTS = Query(
    name="failed-requests",
    text="""fields @timestamp, httpMethod, resourcePath, status, integrationStatus, error, requestId
| filter status >= 500
| sort @timestamp desc
| limit 100""",
)
"""Of an access log: what was answered 5xx, by route. `requestId` is the cause of the first event that the request led to."""

SLOW_REQUESTS = Query(
    name="slow-requests",
    text="""stats count(*) as requests, pct(responseLatencyMs, 50) as p50, pct(responseLatencyMs, 99) as p99,
  pct(integrationLatencyMs, 99) as integrationP99 by httpMethod, resourcePath
| sort p99 desc""",
)
"""Of an access log: how long each route takes, and how much of that is whoever it asks."""

FAILED_EXECUTIONS = Query(
    name="failed-executions",
    text="""fields @timestamp, execution_arn, type, details.name, details.error, details.cause
| filter type like /Failed|TimedOut|Aborted/
| sort @timestamp desc
| limit 100""",
)
"""Of workflows' logs: the state, the error, and the execution, which a lifecycle has the order's id in."""

FAILED_INVOCATIONS = Query(
    name="failed-invocations",
    text="""fields @timestamp, level, message, exception_name, errorType, errorMessage, correlation_id, type, record.status, record.errorType, @log
| filter level in ["ERROR", "CRITICAL"] or ispresent(errorType) or (type = "platform.report" and record.status != "success")
| sort @timestamp desc
| limit 100""",
)
"""Of functions' logs: errors with their correlation id, what the runtime says of one that nobody caught or of a handler that
cannot be imported (`errorType`: https://github.com/aws/aws-lambda-python-runtime-interface-client), and invocations that
crashed or ran out of time."""

BUSY_FUNCTIONS = Query(
    name="busy-functions",
    text="""filter type = "platform.report"
| stats count(*) as invocations, pct(record.metrics.durationMs, 50) as p50, pct(record.metrics.durationMs, 99) as p99,
  max(record.metrics.maxMemoryUsedMB) as memory, count(record.metrics.initDurationMs) as coldStarts by bin(1m), @log""",
)
"""Of functions' logs: how many invocations there were, and how long each took to make room for the next."""

FAILED_PIPES = Query(
    name="failed-pipes",
    text="""fields @timestamp, resourceArn, messageType, error.awsService, error.httpStatusCode, error.message
| filter logLevel = "ERROR"
| sort @timestamp desc
| limit 100""",
)
"""Of pipes' logs: which step failed, and what AWS said."""

CONVERSATION = Query(
    name="conversation",
    text="""fields @timestamp, @log, @message
| filter @message like "PASTE-AN-ID-HERE"
| sort @timestamp
| limit 1000""",
)
"""Of all logs of a service: every line that has an id in it, of a correlation, an order, a request or an event."""

EVENTS = Query(
    name="events",
    text="""fields @timestamp, source, `detail-type`, detail.metadata.aggregateId, detail.metadata.correlationId,
  detail.metadata.causationId
| sort @timestamp desc
| limit 100""",
)
"""Of the log of all events: who said what, about what, in answer to what."""


def saved(scope: Construct, query: Query, *groups: ILogGroup) -> str:
    """Save a query over log groups, beside those that it is asked of in this stack already.

    Args:
        scope: Whose logs they are, inside a `ServiceStack`.
        query: The question.
        *groups: Log groups.

    Returns:
        The saved query's name: a folder of the stage and service, in which the console lists them.

    Raises:
        ValueError: More log groups than one query reads.
    """
    stack = ServiceStack.of(scope)
    existing = stack.node.try_find_child("Queries")
    queries = existing if isinstance(existing, SavedQueries) else SavedQueries(stack, "Queries")
    return queries.ask(query, *groups)


class SavedQueries(Construct):
    """The queries of one stack, each saved once, whoever asks it."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self._asked: dict[str, CfnQueryDefinition] = {}

    def ask(self, query: Query, *groups: ILogGroup) -> str:
        """See `saved`."""
        stack = ServiceStack.of(self)
        name = f"commerce/{stack.stage.name.value}/{stack.service}/{query.name}"
        definition = self._asked.get(query.name)
        if definition is None:
            words = "".join(word.capitalize() for word in query.name.split("-"))
            definition = CfnQueryDefinition(self, words, name=name, query_string=query.text)
            self._asked[query.name] = definition
        known = list(definition.log_group_names or [])
        names = [*known, *(each.log_group_name for each in groups if each.log_group_name not in known)]
        if len(names) > MAX_LOG_GROUPS:
            raise ValueError(
                f"{name} asks {len(names)} log groups; Logs Insights asks {MAX_LOG_GROUPS} at most"
            )
        definition.log_group_names = names
        return name
