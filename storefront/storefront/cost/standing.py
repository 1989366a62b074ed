"""What stands costs, whether or not an order comes: one rule for each type of resource.

A type that is in neither `RULES` nor `FREE` is not priced, and said to be so: nothing is free because nobody thought of it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from storefront.cost.templates import reference, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from storefront.cost.assumptions import Assumptions
    from storefront.cost.templates import Resource, Stage

Quantities = dict[str, float]

SECONDS_OF_POLL = 20
"""A long poll's, the longest there is.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
"""
EXPRESS_STEP_GB_MS = 6.25
"""The least that a run of an Express workflow is billed: 100 ms of 64 MB."""
_STATE = re.compile(r'"Type": ?"(?:Task|Pass|Choice|Wait|Map|Parallel|Succeed|Fail)"')
_API_CALL = re.compile(r":(?:apigateway|http):invoke")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) \S+ (\S+) \S+\)")

FREE = frozenset(
    {
        *("AWS::ApiGateway::Account", "AWS::ApiGateway::Authorizer", "AWS::ApiGateway::Deployment"),
        *(
            "AWS::ApiGateway::BasePathMapping",
            "AWS::ApiGateway::DomainName",
            "AWS::ApiGateway::GatewayResponse",
        ),
        *("AWS::ApiGateway::Method", "AWS::ApiGateway::Model", "AWS::ApiGateway::RequestValidator"),
        *("AWS::ApiGateway::Resource", "AWS::ApiGateway::UsagePlan"),
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        *("AWS::Budgets::Budget", "AWS::CDK::Metadata"),
        # Source: https://aws.amazon.com/codedeploy/pricing/ : to Lambda at no charge.
        *(
            "AWS::CodeDeploy::Application",
            "AWS::CodeDeploy::DeploymentConfig",
            "AWS::CodeDeploy::DeploymentGroup",
        ),
        *("AWS::Cognito::UserPoolClient", "AWS::Cognito::UserPoolDomain", "AWS::Cognito::UserPoolGroup"),
        *("AWS::Cognito::UserPoolResourceServer", "AWS::Cognito::ManagedLoginBranding"),
        "AWS::Cognito::UserPoolRiskConfigurationAttachment",
        *("AWS::EventSchemas::Registry", "AWS::EventSchemas::RegistryPolicy", "AWS::EventSchemas::Schema"),
        *(
            "AWS::Events::EventBus",
            "AWS::Events::EventBusPolicy",
            "AWS::Events::Rule",
            "AWS::Events::Connection",
        ),
        *("AWS::IAM::ManagedPolicy", "AWS::IAM::OIDCProvider", "AWS::IAM::Policy", "AWS::IAM::Role"),
        *("AWS::KMS::Alias", "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::LayerVersion"),
        *("AWS::Lambda::LayerVersionPermission", "AWS::Lambda::Permission", "AWS::Lambda::Version"),
        *("AWS::Logs::QueryDefinition", "AWS::Logs::ResourcePolicy", "AWS::Logs::SubscriptionFilter"),
        *("AWS::S3::BucketPolicy", "AWS::Scheduler::ScheduleGroup"),
        *("AWS::CloudFormation::CustomResource", "AWS::SES::ConfigurationSet", "AWS::SES::EmailIdentity"),
        *("AWS::Logs::Destination", "AWS::Oam::Link", "AWS::Oam::Sink"),
        *("AWS::SecretsManager::ResourcePolicy", "AWS::SNS::Subscription", "AWS::SNS::Topic"),
        *("AWS::SNS::TopicPolicy", "AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "AWS::SSM::Parameter"),
        *("AWS::StepFunctions::StateMachineAlias", "AWS::StepFunctions::StateMachineVersion"),
        *("AWS::WAFv2::IPSet", "AWS::WAFv2::WebACLAssociation", "AWS::XRay::Group"),
        # Their use is counted, nothing else is paid.
        *("AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage", "AWS::Cognito::UserPool"),
        *(
            "AWS::DynamoDB::Table",
            "AWS::Events::Archive",
            "AWS::Lambda::Function",
            "AWS::Logs::LogGroup",
            "AWS::StepFunctions::StateMachine",
        ),
    }
)
"""Types that cost nothing by standing there."""


def month(resource: Resource, stage: Stage, assumptions: Assumptions) -> Quantities | None:
    """What a resource is billed a month for standing there; nothing known of its type is None."""
    rule = RULES.get(resource.type)
    if rule:
        return rule(resource, stage, assumptions)
    # A custom resource is what its function makes, which is free but for the run.
    return {} if resource.type in FREE or resource.type.startswith("Custom::") else None


def _alarm(resource: Resource, _stage: Stage, _assumptions: Assumptions) -> Quantities:
    """Each metric that it watches is billed, those of an expression too; an anomaly band is two more."""
    metrics = [each for each in resource.properties.get("Metrics", ()) if "MetricStat" in each]
    bands = 2 if "ANOMALY_DETECTION_BAND" in json.dumps(resource.properties) else 0
    return {"alarmMetrics": max(1, len(metrics)) + bands}


def _web_acl(resource: Resource, _stage: Stage, _assumptions: Assumptions) -> Quantities:
    return {"webAcls": 1, "webAclRules": len(resource.properties.get("Rules", ()))}


def _polled(assumptions: Assumptions) -> Quantities:
    """A queue that is asked whether or not there is anything in it."""
    seconds = assumptions["hours"] * 3600
    return {"sqsRequests": assumptions["queue_pollers"] * seconds / SECONDS_OF_POLL}


def _pipe(resource: Resource, _stage: Stage, assumptions: Assumptions) -> Quantities:
    if "DynamoDBStreamParameters" not in resource.properties.get("SourceParameters", {}):
        return _polled(assumptions)
    return {"streamReads": assumptions["stream_reads_per_second"] * assumptions["hours"] * 3600}


def _mapping(resource: Resource, _stage: Stage, assumptions: Assumptions) -> Quantities:
    """Reading a stream by a function's trigger is free."""
    return {} if "StartingPosition" in resource.properties else _polled(assumptions)


def _alias(resource: Resource, stage: Stage, assumptions: Assumptions) -> Quantities:
    """Provisioned concurrency is billed as long as it is there."""
    wanted = resource.properties.get("ProvisionedConcurrencyConfig", {}).get(
        "ProvisionedConcurrentExecutions", 0
    )
    if not wanted:
        return {}
    name = reference(resource.properties.get("FunctionName"))
    function = stage.named(f"{resource.service}/{name}")
    memory = int(function.properties.get("MemorySize", 128)) if function else 128
    return {"provisionedGbMs": wanted * memory / 1024 * assumptions["provisioned_hours"] * 3.6e6}


def _schedule(resource: Resource, stage: Stage, assumptions: Assumptions) -> Quantities:
    """Its invocations, and what they start: a workflow that enters each of its states once, Express for one step of time."""
    times = runs(resource.properties.get("ScheduleExpression", ""), assumptions)
    found = {"scheduledRuns": times}
    target = reference(resource.properties.get("Target", {}).get("Arn"))
    flow = stage.named(f"{resource.service}/{target}")
    if flow is None or flow.type != "AWS::StepFunctions::StateMachine":
        return found
    definition = text(flow.properties.get("DefinitionString", ""))
    if flow.properties.get("StateMachineType") == "EXPRESS":
        found |= {"expressRuns": times, "expressGbMs": times * EXPRESS_STEP_GB_MS}
    else:
        found["standardTransitions"] = times * len(_STATE.findall(definition))
    calls = len(_API_CALL.findall(definition))
    return found | ({"apiRequests": times * calls, "inspectedRequests": times * calls} if calls else {})


def _canary(resource: Resource, _stage: Stage, assumptions: Assumptions) -> Quantities:
    expression = text(resource.properties.get("Schedule", {}).get("Expression", ""))
    return {"canaryRuns": runs(expression, assumptions)}


def runs(expression: str, assumptions: Assumptions) -> float:
    """How often a schedule runs a month; a `cron` that says more than minute and hour counts as once a day at least."""
    if found := _RATE.fullmatch(expression):
        return assumptions["hours"] * 3600 / (int(found[1]) * _SECONDS[found[2]])
    if found := _CRON.fullmatch(expression):
        minutes = 60 if found[1] == "*" else 60 / int(found[1].partition("/")[2] or 60)
        hours = 24 if found[2] == "*" else 1
        return assumptions["hours"] / 24 * minutes * hours
    return 0.0


def _one(quantity: str) -> Callable[[Resource, Stage, Assumptions], Quantities]:
    return lambda _resource, _stage, _assumptions: {quantity: 1}


def _bucket(_resource: Resource, _stage: Stage, assumptions: Assumptions) -> Quantities:
    return {"bucketByteMonths": assumptions["bucket_bytes"]}


def _metrics(resource: Resource, _stage: Stage, _assumptions: Assumptions) -> Quantities:
    return {"customMetrics": len(resource.properties.get("MetricTransformations", (0,)))}


def _detector(_resource: Resource, _stage: Stage, _assumptions: Assumptions) -> Quantities:
    """Billed with the alarm that uses it."""
    return {}


RULES: Mapping[str, Callable[[Resource, Stage, Assumptions], Quantities]] = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::AnomalyDetector": _detector,
    "AWS::CloudWatch::CompositeAlarm": _one("compositeAlarms"),
    "AWS::CloudWatch::Dashboard": _one("dashboards"),
    "AWS::KMS::Key": _one("keys"),
    "AWS::Lambda::Alias": _alias,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Logs::MetricFilter": _metrics,
    "AWS::Pipes::Pipe": _pipe,
    "AWS::S3::Bucket": _bucket,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::SecretsManager::Secret": _one("secrets"),
    "AWS::Synthetics::Canary": _canary,
    "AWS::WAFv2::WebACL": _web_acl,
}
"""Types that cost something by standing there."""
