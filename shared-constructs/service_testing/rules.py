"""What the templates of every service must say, as a suite that a service's infrastructure tests inherit.

    class TestStack(ServiceRules):
        service = "cart"
        build = staticmethod(build)

        def test_there_is_one_function(self, template):
            …what only this service promises…

Every rule runs for `dev` and `prod`. A service adds its own tests to the class; the fixtures are `stage`, `stacks`
(stack name → template), `template` (the stateless stack's) and `data` (the stateful one's).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pytest
from service_contracts import Contracts
from service_lint.alarms import faults
from syrupy.extensions.json import JSONSnapshotExtension

from service_testing.templates import Template, listed, masked, of_type, statements, synthesize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shared_constructs import ServiceApp, ServiceSettings

Stacks = dict[str, Template]

FORTNIGHT_SECONDS: Final = 14 * 24 * 3600
"""SQS keeps nothing longer."""
UNBOUND_ACTIONS: Final = frozenset(
    {f"xray:{action}" for action in ("PutTraceSegments", "PutTelemetryRecords")}
    | {f"xray:GetSampling{what}" for what in ("Rules", "Targets")}
    | {f"logs:{action}LogDelivery" for action in ("Create", "Get", "Update", "Delete")}
    | {"logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies"}
    | {"logs:DescribeLogGroups"}
    # https://docs.aws.amazon.com/codedeploy/latest/userguide/monitoring-create-alarms-grant-permissions.html
    | {"cloudwatch:DescribeAlarms"}
)
"""Actions that AWS grants on every resource or not at all (Service Authorization Reference), or asks for on every one."""

ON_BEHALF: Final = frozenset({f"{each}.amazonaws.com" for each in ("states", "pipes", "scheduler")})
"""Services whose documentation says that they tell for whose resource they take on a role."""

CALLERS: Final = (
    "AWS::ApiGateway::Method",
    "AWS::Cognito::UserPool",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::StepFunctions::StateMachine",
)
"""What calls a function, or lets somebody call it."""

SHOWN: Final = (
    "AWS::Lambda::Function",
    "AWS::Pipes::Pipe",
    "AWS::SQS::Queue",
    "AWS::StepFunctions::StateMachine",
)
"""What a service's dashboard has by name; an API's metrics have the API's own."""

WATCHED: Final = {
    "AWS::ApiGateway::Stage": {"5XXError"},
    "AWS::Lambda::Function": {"Errors", "Throttles"},
    "AWS::Pipes::Pipe": {"ExecutionFailed"},
    "AWS::StepFunctions::StateMachine": {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionThrottled"},
}
"""By which metrics somebody is told that something fails."""


class ServiceRules:
    """The shared rules of infrastructure tests; a service's test class inherits them.

    Attributes:
        service: The service's name, `cart`.
        build: Adds its stacks to an app.
        settings: Its own settings, if it has any.
    """

    service: ClassVar[str]
    build: ClassVar[Callable[[ServiceApp], object]]
    settings: ClassVar[type[ServiceSettings] | None] = None

    @pytest.fixture(scope="class", params=["dev", "prod"])
    @classmethod
    def stage(cls, request: pytest.FixtureRequest) -> str:
        """The stage that the templates are for."""
        return str(request.param)

    @pytest.fixture(scope="class")
    @classmethod
    def stacks(cls, stage: str) -> Stacks:
        """Stack name → template."""
        return synthesize(cls.build, service=cls.service, settings=cls.settings, stage=stage)

    @pytest.fixture
    def template(self, stacks: Stacks, stage: str) -> Template:
        """The template of what can be deployed anew at any time."""
        return stacks[f"commerce-{stage}-{self.service}"]

    @pytest.fixture
    def data(self, stacks: Stacks, stage: str) -> Template:
        """The template of what has to survive."""
        return stacks[f"commerce-{stage}-{self.service}-data"]

    def test_the_templates_change_only_when_it_is_meant(self, stacks: Stacks, snapshot: Any) -> None:
        for name, template in stacks.items():
            assert masked(template) == snapshot(name=name, extension_class=JSONSnapshotExtension)

    def test_what_is_published_is_what_is_deployed(self, stacks: Stacks) -> None:
        Contracts(f"{self.service}_service").check(stacks.values())

    # Least privilege

    def test_no_role_has_a_wildcard_action_or_a_policy_of_aws(self, stacks: Stacks) -> None:
        actions = [action for statement in _granted(stacks) for action in listed(statement["Action"])]
        assert actions
        assert [action for action in actions if "*" in action] == []
        roles = [role for template in stacks.values() for role in of_type(template, "AWS::IAM::Role")]
        assert [role["ManagedPolicyArns"] for role in roles if "ManagedPolicyArns" in role] == []

    def test_every_action_is_granted_on_named_resources_where_aws_can_name_them(self, stacks: Stacks) -> None:
        everywhere = [s for s in _granted(stacks) if "*" in listed(s["Resource"])]
        assert {action for s in everywhere for action in listed(s["Action"])} <= UNBOUND_ACTIONS

    def test_each_kind_of_caller_has_a_role_of_its_own(self, template: Template) -> None:
        callers: dict[str, set[str]] = {}
        for method in of_type(template, "AWS::ApiGateway::Method"):
            if role := method["Integration"].get("Credentials"):
                kind = [method["AuthorizationType"], *method.get("AuthorizationScopes", [])]
                callers.setdefault(json.dumps(role), set()).add(json.dumps(kind))
        assert [role for role, kinds in callers.items() if len(kinds) > 1] == []

    def test_who_acts_for_others_does_so_for_this_account_alone(self, stacks: Stacks) -> None:
        for template in stacks.values():
            for role in of_type(template, "AWS::IAM::Role"):
                for statement in role["AssumeRolePolicyDocument"]["Statement"]:
                    if statement["Principal"].get("Service") in ON_BEHALF:
                        account = (
                            statement.get("Condition", {}).get("StringEquals", {}).get("aws:SourceAccount")
                        )
                        known = account == {"Ref": "AWS::AccountId"} or re.fullmatch(r"\d{12}", str(account))
                        assert known, statement

    def test_the_service_speaks_only_for_itself(self, stacks: Stacks) -> None:
        for statement in _granted(stacks):
            if "events:PutEvents" in listed(statement["Action"]):
                spoken_for = {"StringEquals": {"events:source": f"commerce.{self.service}"}}
                assert statement["Condition"] == spoken_for

    # State

    def test_tables_survive_in_a_stack_of_their_own(
        self, template: Template, data: Template, stage: str
    ) -> None:
        assert of_type(template, "AWS::DynamoDB::Table") == []
        for resource in data["Resources"].values():
            policies = (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
            assert policies == (("Retain",) * 2 if stage == "prod" else ("Delete",) * 2)
        for table in of_type(data, "AWS::DynamoDB::Table"):
            assert table.get("DeletionProtectionEnabled", False) is (stage == "prod")
            assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}

    # Messages

    def test_every_queue_is_encrypted_and_ends_in_a_dlq_with_an_alarm(self, template: Template) -> None:
        queues = _by_id(template, "AWS::SQS::Queue")
        alarmed = json.dumps(of_type(template, "AWS::CloudWatch::Alarm"))
        for name, queue in queues.items():
            assert queue["SqsManagedSseEnabled"] is True, name
            assert queue["MessageRetentionPeriod"] == FORTNIGHT_SECONDS, name
            if "RedrivePolicy" in queue:
                dlq = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
                assert "RedrivePolicy" not in queues[dlq], f"{name} ends in another queue that redrives"
            else:
                assert name in alarmed, f"nobody is told that a message is in {name}"

    # Alarms

    def test_every_alarm_says_who_does_what_first_and_where_to_look(self, stacks: Stacks) -> None:
        for template in stacks.values():
            assert list(faults(template)) == []
            for alarm in of_type(template, "AWS::CloudWatch::Alarm"):
                assert alarm["TreatMissingData"] == "notBreaching" or "Nobody" in alarm["AlarmDescription"]

    def test_the_dashboard_shows_whatever_there_is(self, template: Template) -> None:
        [dashboard] = of_type(template, "AWS::CloudWatch::Dashboard")
        body = json.dumps(dashboard["DashboardBody"])
        for resource_type in SHOWN:
            for name in _by_id(template, resource_type):
                assert f'"{name}"' in body, f"{name} is not on the dashboard"

    def test_a_conversation_can_be_looked_for_in_every_log(self, template: Template) -> None:
        queries = of_type(template, "AWS::Logs::QueryDefinition")
        [everywhere] = [each for each in queries if each["Name"].endswith("/conversation")]
        groups = [{"Ref": name} for name in _by_id(template, "AWS::Logs::LogGroup")]
        assert [group for group in groups if group not in everywhere["LogGroupNames"]] == []

    def test_every_api_is_promised_to_answer_and_in_time(self, template: Template) -> None:
        told = json.dumps(
            [each["AlarmRule"] for each in of_type(template, "AWS::CloudWatch::CompositeAlarm")]
        )
        promised = {
            metric["MetricStat"]["Metric"]["MetricName"]
            for name, alarm in _by_id(template, "AWS::CloudWatch::Alarm").items()
            for metric in alarm.get("Metrics", [])
            if "MetricStat" in metric and f'"{name}"' in told
        }
        apis = _by_id(template, "AWS::ApiGateway::Stage")
        assert ({"5XXError", "Latency"} if apis else set()) <= promised

    def test_somebody_is_told_of_whatever_runs_and_fails(self, template: Template) -> None:
        watched = list(_watched(template))
        for resource_type, metrics in WATCHED.items():
            for name, properties in _by_id(template, resource_type).items():
                called = {f'{{"Ref": "{name}"}}', f'"{properties.get("StageName")}"'}
                of_it = {
                    metric for metric, dimensions in watched if any(each in dimensions for each in called)
                }
                assert metrics <= of_it, f"nobody is told of {', '.join(metrics - of_it)} of {name}"

    def test_what_a_queue_holds_outlives_its_stack(self, template: Template, stage: str) -> None:
        for name, resource in template["Resources"].items():
            if resource["Type"] == "AWS::SQS::Queue":
                policies = (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
                assert policies == (("Retain",) * 2 if stage == "prod" else ("Delete",) * 2), name

    def test_every_rule_tries_again_and_gives_up_into_a_dlq(self, template: Template) -> None:
        for rule in of_type(template, "AWS::Events::Rule"):
            for target in rule["Targets"]:
                assert {"DeadLetterConfig", "RetryPolicy"} <= target.keys(), rule

    def test_a_message_is_seen_again_only_when_its_batch_cannot_be_running_any_more(
        self, template: Template
    ) -> None:
        functions, queues = _by_id(template, "AWS::Lambda::Function"), _by_id(template, "AWS::SQS::Queue")
        aliases = _by_id(template, "AWS::Lambda::Alias")
        for mapping in of_type(template, "AWS::Lambda::EventSourceMapping"):
            queue = queues[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
            called = json.dumps(mapping["FunctionName"])
            (alias,) = [each for name, each in aliases.items() if f'{{"Ref": "{name}"}}' in called]
            function = functions[alias["FunctionName"]["Ref"]]
            window = mapping.get("MaximumBatchingWindowInSeconds", 0)
            assert queue["VisibilityTimeout"] >= 6 * function["Timeout"] + window
            assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]

    def test_a_change_feed_gives_up_in_finite_time_and_says_what(self, template: Template) -> None:
        for pipe in of_type(template, "AWS::Pipes::Pipe"):
            source = pipe["SourceParameters"].get("DynamoDBStreamParameters")
            if source is None:
                continue
            assert source["StartingPosition"] == "TRIM_HORIZON"
            assert source["BatchSize"] <= 10  # noqa: PLR2004 - DESIGN: what one enrichment can answer for
            assert source["MaximumRetryAttempts"] == -1  # attempts are over within seconds of an outage
            assert 0 < source["MaximumRecordAgeInSeconds"] < 24 * 3600  # a stream keeps a day
            assert source["OnPartialBatchItemFailure"] == "AUTOMATIC_BISECT"
            assert "Fn::GetAtt" in source["DeadLetterConfig"]["Arn"]

    # Functions, workflows, logs

    def test_functions_are_of_the_one_kind(self, stacks: Stacks) -> None:
        for template in stacks.values():
            for function in of_type(template, "AWS::Lambda::Function"):
                assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
                assert function["TracingConfig"] == {"Mode": "Active"}
                assert function["LoggingConfig"]["LogFormat"] == "JSON"

    def test_whoever_calls_a_function_calls_its_alias_and_a_new_version_can_be_rolled_back(
        self, stacks: Stacks, stage: str
    ) -> None:
        for template in stacks.values():
            functions, aliases = _by_id(template, "AWS::Lambda::Function"), _aliases(template)
            assert {each["Properties"]["FunctionName"]["Ref"] for each in aliases.values()} == set(functions)
            for resource_type in CALLERS:
                for name, caller in _by_id(template, resource_type).items():
                    called = json.dumps(caller)
                    past = [each for each in functions if f'"{each}"' in called]
                    assert past == [], f"{name} calls {past}, not the alias"
            gradual = {
                name
                for name, each in aliases.items()
                if "CodeDeployLambdaAliasUpdate" in str(each.get("UpdatePolicy"))
            }
            assert gradual == (set(aliases) if stage == "prod" else set())

    def test_every_log_is_kept_for_a_time_and_holds_nobodys_data_in_production(
        self, stacks: Stacks, stage: str
    ) -> None:
        for template in stacks.values():
            for group in of_type(template, "AWS::Logs::LogGroup"):
                assert group["RetentionInDays"] > 0
            for machine in of_type(template, "AWS::StepFunctions::StateMachine"):
                assert machine["LoggingConfiguration"]["IncludeExecutionData"] is (stage != "prod")
                assert machine["TracingConfiguration"] == {"Enabled": True}

    def test_workflows_log_every_event_only_where_a_metric_reads_them(
        self, template: Template, stage: str
    ) -> None:
        read = {json.dumps(each["LogGroupName"]) for each in of_type(template, "AWS::Logs::MetricFilter")}
        for machine in of_type(template, "AWS::StepFunctions::StateMachine"):
            logging = machine["LoggingConfiguration"]
            group = logging["Destinations"][0]["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0]
            every_event = stage != "prod" or json.dumps({"Ref": group}) in read
            assert logging["Level"] == ("ALL" if every_event else "ERROR"), group

    # API

    def test_what_a_route_takes_is_checked_and_other_content_types_are_refused(
        self, template: Template
    ) -> None:
        for method in of_type(template, "AWS::ApiGateway::Method"):
            if method["Integration"]["Type"] == "AWS":
                assert method["Integration"]["PassthroughBehavior"] == "NEVER"
            if "RequestModels" in method:
                assert "RequestValidatorId" in method

    def test_no_caller_takes_what_is_meant_for_all(self, template: Template, stage: str) -> None:
        for api in of_type(template, "AWS::ApiGateway::Stage"):
            limits = [setting["ThrottlingRateLimit"] for setting in api["MethodSettings"]]
            limited = {(setting["HttpMethod"], setting["ResourcePath"]) for setting in api["MethodSettings"]}
            assert min(limits) > 0
            assert {("*", "/*"), *_public_writes(template)} <= limited
        protected = [str(each["ResourceArn"]) for each in of_type(template, "AWS::WAFv2::WebACLAssociation")]
        apis = _by_id(template, "AWS::ApiGateway::RestApi") if stage == "prod" else {}
        assert [api for api in apis if not any(repr(api) in arn for arn in protected)] == []

    def test_others_find_the_api_by_its_parameter(self, template: Template, stage: str) -> None:
        names = [parameter["Name"] for parameter in of_type(template, "AWS::SSM::Parameter")]
        assert f"/commerce/{stage}/{self.service}/api-url/v1" in names


def _granted(stacks: Stacks) -> Iterator[dict[str, Any]]:
    return (statement for template in stacks.values() for statement in statements(template))


def _public_writes(template: Template) -> Iterator[tuple[str, str]]:
    """Verb and path, as settings of methods write it, of each route that changes something for anybody."""
    resources = _by_id(template, "AWS::ApiGateway::Resource")

    def path(reference: dict[str, Any]) -> str:
        resource = resources.get(reference.get("Ref", ""))
        return f"{path(resource['ParentId'])}~1{resource['PathPart']}" if resource else ""

    for method in of_type(template, "AWS::ApiGateway::Method"):
        if method["AuthorizationType"] == "NONE" and method["HttpMethod"] not in {"GET", "OPTIONS"}:
            yield method["HttpMethod"], f"/{path(method['ResourceId'])}"


def _watched(template: Template) -> Iterator[tuple[str, str]]:
    """Name and dimensions, as JSON, of each metric that an alarm watches."""
    for alarm in of_type(template, "AWS::CloudWatch::Alarm"):
        stats = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each]
        for metric in stats or [alarm]:
            yield metric["MetricName"], json.dumps(metric.get("Dimensions", []))


def _aliases(template: Template) -> Mapping[str, dict[str, Any]]:
    resources = template["Resources"].items()
    return {name: each for name, each in resources if each["Type"] == "AWS::Lambda::Alias"}


def _by_id(template: Template, resource_type: str) -> Mapping[str, dict[str, Any]]:
    resources = template["Resources"].items()
    return {name: each["Properties"] for name, each in resources if each["Type"] == resource_type}
