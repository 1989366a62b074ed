"""The shared rules find what they are for: each breaks when a template that keeps it is broken."""

import copy

import pytest
from service_testing.rules import ServiceRules

DESCRIPTION = "It failed. First: repair it.\n\nOwner: x-team\n\nRunbook: https://docs.test/runbooks.html#failing\n\nQuery: {query}"
MINE = {"StringEquals": {"events:source": "commerce.x"}}
QUEUE = {"SqsManagedSseEnabled": True, "MessageRetentionPeriod": 14 * 24 * 3600}
PUT = {"Type": "AWS", "PassthroughBehavior": "NEVER"}
SERVICE = {
    "AWS::IAM::Policy": {
        "PolicyDocument": {
            "Statement": [{"Action": "events:PutEvents", "Resource": ["bus"], "Condition": MINE}],
        }
    },
    "AWS::IAM::Role": {
        "AssumeRolePolicyDocument": {
            "Statement": [
                {
                    "Principal": {"Service": "states.amazonaws.com"},
                    "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
                }
            ]
        }
    },
    "AWS::SQS::Queue": {
        **QUEUE,
        "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dlq", "Arn"]}},
        "VisibilityTimeout": 60,
    },
    "AWS::CloudWatch::Alarm": {
        "QueueName": {"Fn::GetAtt": ["Dlq", "QueueName"]},
        "AlarmDescription": DESCRIPTION.format(query="commerce/prod/x/failures"),
        "TreatMissingData": "notBreaching",
        "Metrics": [
            {"Id": "sum", "Expression": "errors + throttles"},
            *(
                {"MetricStat": {"Metric": {"MetricName": metric, "Dimensions": [{"Value": {"Ref": of}}]}}}
                for metric, of in (
                    ("Errors", "Function"),
                    ("Throttles", "Function"),
                    ("5XXError", "Stage"),
                    ("Latency", "Stage"),
                    ("ExecutionFailed", "Pipe"),
                    ("ExecutionsFailed", "StateMachine"),
                    ("ExecutionsTimedOut", "StateMachine"),
                    ("ExecutionThrottled", "StateMachine"),
                )
            ),
        ],
    },
    "AWS::CloudWatch::CompositeAlarm": {
        "AlarmDescription": DESCRIPTION.format(query="commerce/prod/x/failures"),
        "AlarmRule": {"Fn::Join": ["", ["ALARM(", {"Fn::GetAtt": ["Alarm", "Arn"]}, ")"]]},
    },
    "AWS::CloudWatch::Dashboard": {
        "DashboardBody": [{"Ref": name} for name in ("Function", "Pipe", "Queue", "Dlq", "StateMachine")]
    },
    "AWS::Events::Rule": {"Targets": [{"DeadLetterConfig": {}, "RetryPolicy": {}}]},
    "AWS::Lambda::Function": {
        "Runtime": "python3.13",
        "Architectures": ["arm64"],
        "TracingConfig": {"Mode": "Active"},
        "LoggingConfig": {"LogFormat": "JSON"},
        "Timeout": 10,
    },
    "AWS::Lambda::EventSourceMapping": {
        "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
        "FunctionName": {"Ref": "Alias"},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    },
    "AWS::Lambda::Alias": {"FunctionName": {"Ref": "Function"}, "Name": "live"},
    "AWS::Lambda::Permission": {"FunctionName": {"Ref": "Alias"}},
    "AWS::Pipes::Pipe": {
        "SourceParameters": {
            "DynamoDBStreamParameters": {
                "StartingPosition": "TRIM_HORIZON",
                "BatchSize": 10,
                "MaximumRetryAttempts": -1,
                "MaximumRecordAgeInSeconds": 3600,
                "OnPartialBatchItemFailure": "AUTOMATIC_BISECT",
                "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Dlq", "Arn"]}},
            }
        }
    },
    "AWS::Logs::LogGroup": {"RetentionInDays": 7},
    "AWS::Logs::QueryDefinition": {
        "Name": "commerce/prod/x/failures",
        "LogGroupNames": [{"Ref": "LogGroup"}, {"Ref": "EventLog"}],
    },
    "AWS::Logs::MetricFilter": {"LogGroupName": {"Ref": "LogGroup"}},
    "AWS::StepFunctions::StateMachine": {
        "LoggingConfiguration": {
            "Level": "ALL",
            "IncludeExecutionData": False,
            "Destinations": [
                {"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["LogGroup", "Arn"]}}}
            ],
        },
        "TracingConfiguration": {"Enabled": True},
    },
    "AWS::ApiGateway::RestApi": {},
    "AWS::ApiGateway::Resource": {"ParentId": {"Fn::GetAtt": ["RestApi", "Root"]}, "PathPart": "x"},
    "AWS::ApiGateway::Stage": {
        "MethodSettings": [
            {"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": 10},
            {"HttpMethod": "POST", "ResourcePath": "/~1x", "ThrottlingRateLimit": 5},
        ]
    },
    "AWS::WAFv2::WebACLAssociation": {
        "ResourceArn": {"Fn::Join": ["", [{"Ref": "RestApi"}, "/stages/live"]]}
    },
    "AWS::ApiGateway::Method": {
        "HttpMethod": "POST",
        "AuthorizationType": "NONE",
        "ResourceId": {"Ref": "Resource"},
        "RequestModels": {},
        "RequestValidatorId": "v",
        "Integration": PUT,
    },
    "AWS::SSM::Parameter": {"Name": "/commerce/prod/x/api-url/v1"},
}
TABLE = {
    "DeletionProtectionEnabled": True,
    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
}


@pytest.fixture
def template():
    resources = {
        kind.rpartition("::")[2]: {"Type": kind, "Properties": copy.deepcopy(properties)}
        for kind, properties in SERVICE.items()
    }
    kept = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    resources["Dlq"] = {"Type": "AWS::SQS::Queue", "Properties": dict(QUEUE)}
    operators = {
        "HttpMethod": "GET",
        "AuthorizationType": "COGNITO_USER_POOLS",
        "Integration": PUT | {"Credentials": "op"},
    }
    for name, scope in (("Operators", "commerce/operate"), ("Fulfilment", "commerce/operate")):
        scoped = copy.deepcopy(operators) | {"AuthorizationScopes": [scope]}
        resources[name] = {"Type": "AWS::ApiGateway::Method", "Properties": scoped}
    gradual = {"UpdatePolicy": {"CodeDeployLambdaAliasUpdate": {}}}
    changed = {"Queue": kept, "Dlq": kept, "Alias": gradual}
    conversation = {"Name": "commerce/prod/x/conversation", "LogGroupNames": [{"Ref": "LogGroup"}]}
    resources["Conversation"] = {"Type": "AWS::Logs::QueryDefinition", "Properties": conversation}
    parameters = {"EventLog": {"Default": "/commerce/prod/platform/event-log-name/v1"}}
    return {
        "Parameters": parameters,
        "Resources": resources | {name: resources[name] | more for name, more in changed.items()},
    }


@pytest.fixture
def data():
    table = {"Type": "AWS::DynamoDB::Table", "Properties": copy.deepcopy(TABLE)}
    return {"Resources": {"Table": {**table, "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}}}


def check(rule, template, data):
    class Rules(ServiceRules):
        service = "x"

    given = {"stacks": {"x": template, "x-data": data}, "template": template, "data": data, "stage": "prod"}
    method = getattr(Rules(), f"test_{rule}")
    wanted = method.__code__.co_varnames[1 : method.__code__.co_argcount]
    method(**{name: given[name] for name in wanted})


ALARMS = "every_alarm_says_who_does_what_first_and_where_to_look"
STATEMENT = "Policy.PolicyDocument.Statement.0"
STREAM = "Pipe.SourceParameters.DynamoDBStreamParameters"
BREACHES = [
    (
        "whoever_calls_a_function_calls_its_alias_and_a_new_version_can_be_rolled_back",
        "EventSourceMapping.FunctionName",
        {"Ref": "Function"},
    ),
    (
        "whoever_calls_a_function_calls_its_alias_and_a_new_version_can_be_rolled_back",
        "Alias.FunctionName",
        {"Ref": "Another"},
    ),
    ("no_role_has_a_wildcard_action_or_a_policy_of_aws", f"{STATEMENT}.Action", "events:*"),
    ("no_role_has_a_wildcard_action_or_a_policy_of_aws", "Role.ManagedPolicyArns", ["arn"]),
    ("every_action_is_granted_on_named_resources_where_aws_can_name_them", f"{STATEMENT}.Resource", "*"),
    ("each_kind_of_caller_has_a_role_of_its_own", "Operators.AuthorizationScopes", ["commerce/shop"]),
    (
        "who_acts_for_others_does_so_for_this_account_alone",
        "Role.AssumeRolePolicyDocument.Statement.0.Condition",
        {"StringEquals": {}},
    ),
    ("the_service_speaks_only_for_itself", f"{STATEMENT}.Condition", {"StringEquals": {}}),
    ("tables_survive_in_a_stack_of_their_own", "Table.DeletionProtectionEnabled", False),
    ("tables_survive_in_a_stack_of_their_own", "Table.PointInTimeRecoverySpecification", {}),
    ("tables_survive_in_a_stack_of_their_own", "Table^.DeletionPolicy", "Delete"),
    ("tables_survive_in_a_stack_of_their_own", "Role^.Type", "AWS::DynamoDB::Table"),
    ("every_queue_is_encrypted_and_ends_in_a_dlq_with_an_alarm", "Queue.SqsManagedSseEnabled", False),
    ("every_queue_is_encrypted_and_ends_in_a_dlq_with_an_alarm", "Dlq.MessageRetentionPeriod", 345_600),
    ("every_queue_is_encrypted_and_ends_in_a_dlq_with_an_alarm", "Alarm.QueueName", "another"),
    (
        "every_queue_is_encrypted_and_ends_in_a_dlq_with_an_alarm",
        "Queue.RedrivePolicy.deadLetterTargetArn",
        {"Fn::GetAtt": ["Queue", "Arn"]},
    ),
    ("what_a_queue_holds_outlives_its_stack", "Queue^.DeletionPolicy", "Delete"),
    ("what_a_queue_holds_outlives_its_stack", "Dlq^.UpdateReplacePolicy", "Delete"),
    (ALARMS, "Alarm.AlarmDescription", "It failed. First: repair it."),
    (ALARMS, "Alarm.AlarmDescription", DESCRIPTION.format(query="commerce/prod/x/other")),
    (ALARMS, "Alarm.TreatMissingData", "breaching"),
    (ALARMS, "QueryDefinition.LogGroupNames", [{"Ref": "Queue"}]),
    (ALARMS, "QueryDefinition.LogGroupNames", [{"Ref": "Elsewhere"}]),
    (ALARMS, "QueryDefinition.LogGroupNames", []),
    (ALARMS, "CompositeAlarm.AlarmDescription", "It burns. First: look."),
    ("the_dashboard_shows_whatever_there_is", "Dashboard.DashboardBody.3", {"Ref": "Queue"}),
    ("a_conversation_can_be_looked_for_in_every_log", "Conversation.LogGroupNames", [{"Ref": "Other"}]),
    ("every_api_is_promised_to_answer_and_in_time", "CompositeAlarm.AlarmRule", "FALSE"),
    (
        "every_api_is_promised_to_answer_and_in_time",
        "Alarm.Metrics.4.MetricStat.Metric.MetricName",
        "Count",
    ),
    (
        "somebody_is_told_of_whatever_runs_and_fails",
        "Alarm.Metrics.2.MetricStat.Metric.Dimensions",
        [{"Value": {"Ref": "Other"}}],
    ),
    ("every_rule_tries_again_and_gives_up_into_a_dlq", "Rule.Targets.0", {"RetryPolicy": {}}),
    (
        "a_message_is_seen_again_only_when_its_batch_cannot_be_running_any_more",
        "Queue.VisibilityTimeout",
        59,
    ),
    (
        "a_message_is_seen_again_only_when_its_batch_cannot_be_running_any_more",
        "EventSourceMapping.FunctionResponseTypes",
        [],
    ),
    ("a_change_feed_gives_up_in_finite_time_and_says_what", f"{STREAM}.MaximumRetryAttempts", 20),
    ("a_change_feed_gives_up_in_finite_time_and_says_what", f"{STREAM}.MaximumRecordAgeInSeconds", -1),
    ("a_change_feed_gives_up_in_finite_time_and_says_what", f"{STREAM}.DeadLetterConfig", {"Arn": {}}),
    ("functions_are_of_the_one_kind", "Function.Architectures", ["x86_64"]),
    ("functions_are_of_the_one_kind", "Function.TracingConfig", {"Mode": "PassThrough"}),
    ("functions_are_of_the_one_kind", "Function.LoggingConfig", {"LogFormat": "Text"}),
    ("every_log_is_kept_for_a_time_and_holds_nobodys_data_in_production", "LogGroup.RetentionInDays", 0),
    (
        "every_log_is_kept_for_a_time_and_holds_nobodys_data_in_production",
        "StateMachine.LoggingConfiguration",
        {"IncludeExecutionData": True},
    ),
    (
        "workflows_log_every_event_only_where_a_metric_reads_them",
        "MetricFilter.LogGroupName",
        {"Ref": "Other"},
    ),
    (
        "workflows_log_every_event_only_where_a_metric_reads_them",
        "StateMachine.LoggingConfiguration.Level",
        "ERROR",
    ),
    (
        "what_a_route_takes_is_checked_and_other_content_types_are_refused",
        "Method.Integration.PassthroughBehavior",
        "WHEN_NO_MATCH",
    ),
    ("what_a_route_takes_is_checked_and_other_content_types_are_refused", "Method.RequestValidatorId", None),
    ("no_caller_takes_what_is_meant_for_all", "Stage.MethodSettings.1.HttpMethod", "PUT"),
    ("no_caller_takes_what_is_meant_for_all", "Stage.MethodSettings.1.ThrottlingRateLimit", 0),
    ("no_caller_takes_what_is_meant_for_all", "WebACLAssociation.ResourceArn", {"Ref": "Other"}),
    ("others_find_the_api_by_its_parameter", "Parameter.Name", "/commerce/prod/x/url/v1"),
]


@pytest.mark.parametrize(("rule", "place", "value"), BREACHES, ids=[place for _, place, _ in BREACHES])
def test_a_rule_fails_for_a_template_that_breaks_it_and_for_no_other(template, data, rule, place, value):
    check(rule, template, data)

    name, *path = place.split(".")
    resources = data["Resources"] if name.startswith("Table") else template["Resources"]
    target = resources[name.removesuffix("^")]
    target = target if name.endswith("^") else target["Properties"]
    for step in path[:-1]:
        target = target[int(step) if step.isdigit() else step]
    last = int(path[-1]) if path[-1].isdigit() else path[-1]
    if value is None:
        del target[last]
    else:
        target[last] = value

    with pytest.raises(AssertionError):
        check(rule, template, data)


def test_every_rule_has_a_breach():
    rules = {name.removeprefix("test_") for name in vars(ServiceRules) if name.startswith("test_")}
    assert rules - {rule for rule, _, _ in BREACHES} == {
        "the_templates_change_only_when_it_is_meant",
        "what_is_published_is_what_is_deployed",
    }, "both compare with what is committed"
