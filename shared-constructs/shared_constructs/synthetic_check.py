"""Somebody asks an API all the time, so that a failure is known before a customer meets it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from aws_cdk import Duration
from aws_cdk.aws_scheduler import Schedule, ScheduleExpression
from aws_cdk.aws_scheduler_targets import StepFunctionsStartExecution
from constructs import Construct

from shared_constructs.alarms import described
from shared_constructs.direct_api.api import STAGE_NAME
from shared_constructs.express_workflow import ExpressWorkflow
from shared_constructs.queries import FAILED_REQUESTS, saved
from shared_constructs.service import ServiceStack

if TYPE_CHECKING:
    from aws_cdk.aws_cloudwatch import CfnAlarm

    from shared_constructs.direct_api import DirectApi

PATIENCE: Final = Duration.seconds(10)
"""How long an answer may take: twice what the slowest public read takes from cold, and far below API Gateway's 29 s."""


class SyntheticCheck(Construct):
    """A scheduled Express workflow that sends a GET request to an API by its public address, as a client does.

    Through name, certificate, web ACL, throttles, stage, authoriser and integration; the workflow fails, and its alarm goes
    off, when the answer is another than expected in three minutes of fifteen. It also gives a new version of a function or
    workflow something to answer when no customer does. Where the stage has no checks (`Stage.synthetic_check_minutes`)
    nothing is built.

    It runs in the API's own region and account, and so cannot tell when that region is gone.

    Args:
        scope: Construct inside a `ServiceStack`.
        construct_id: Its id.
        api: What is asked; its `access_log` has the answers.
        path: Below the stage, without a query: a route that harms nobody and reads what most depends on.
        expected: The status of a healthy answer: 404 for an item that never exists has read the table, too, and 401 says
            that a route without a token is refused. 200 by default.

    Attributes:
        workflow: The check; None where the stage has none.

    Raises:
        ValueError: The path does not begin with a slash, or has a query.

    Examples:
        >>> check = SyntheticCheck(stack, "Check", api=api, path="/products")
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, api: DirectApi, path: str, expected: int = HTTPStatus.OK
    ) -> None:
        super().__init__(scope, construct_id)
        if not path.startswith("/") or "?" in path:
            raise ValueError(f"a path begins with a slash and has no query, got {path!r}")
        self.workflow: ExpressWorkflow | None = None
        minutes = ServiceStack.of(self).stage.synthetic_check_minutes
        if minutes is None:
            return
        stack = ServiceStack.of(self)
        rest_api = api.resources.rest_api
        self.workflow = ExpressWorkflow(
            self,
            "Ask",
            definition=_definition(path, int(expected)),
            substitutions={
                "Endpoint": f"{rest_api.rest_api_id}.execute-api.{stack.region}.{stack.url_suffix}",
            },
            timeout=PATIENCE,
            # The route needs no permission: whoever may ask it is everybody.
            unmanaged_services=("apigateway",),
        )
        machine = self.workflow.resources.state_machine
        machine.node.add_dependency(rest_api.deployment_stage)
        interval = Duration.minutes(minutes)
        Schedule(
            self,
            "Schedule",
            description=f"Asks for {path}.",
            schedule=ScheduleExpression.rate(interval),
            # What cannot be started is made up for by the next one.
            target=StepFunctionsStartExecution(machine, max_event_age=Duration.minutes(1)),
        )
        (alarm,) = self.workflow.resources.alarms
        cast("CfnAlarm", alarm.node.default_child).alarm_description = described(
            self,
            means=f"GET {path} is not answered {int(expected)}: from outside, the {stack.service} service is down.",
            first="ask for it yourself; no answer in the access log means that the request does not arrive there.",
            runbook="no-answer",
            query=saved(self, FAILED_REQUESTS, api.resources.access_log),
        )


def _definition(path: str, expected: int) -> dict[str, Any]:
    ask: dict[str, Any] = {
        "Type": "Task",
        "Resource": "arn:aws:states:::apigateway:invoke",
        "Arguments": {
            "ApiEndpoint": "${Endpoint}",
            "Method": "GET",
            "Stage": STAGE_NAME,
            "Path": path,
            "AuthType": "NO_AUTH",
        },
        "Output": {"status": "{% $states.result.StatusCode %}"},
        "Next": "Answered",
    }
    if expected >= HTTPStatus.BAD_REQUEST:
        # https://docs.aws.amazon.com/step-functions/latest/dg/connect-api-gateway.html: an error by its status
        ask["Catch"] = [{"ErrorEquals": [f"ApiGateway.{expected}"], "Next": "Answered"}]
        ask["Next"] = "Unexpected"
    states = {
        "Ask": ask,
        "Answered": {"Type": "Succeed"},
        "Unexpected": {
            "Type": "Fail",
            "Error": "UnexpectedAnswer",
            "Cause": f"The route answered with success, not {expected}",
        },
    }
    if expected < HTTPStatus.BAD_REQUEST:
        del states["Unexpected"]
    return {
        "Comment": "Asks a public route as a client does",
        "QueryLanguage": "JSONata",
        "StartAt": "Ask",
        "States": states,
    }
