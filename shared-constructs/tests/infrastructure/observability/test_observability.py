"""What a service counts, promises and shows, as it is in the template."""

import json
from typing import Literal

import pytest
from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import Unit
from pydantic import BaseModel
from service_lint.alarms import faults
from service_runtime.envelope import PublishedEvent
from service_runtime.money import Money
from service_testing import of_type, synthesize
from shared_constructs import (
    BusinessMetric,
    BusinessMetrics,
    Objective,
    ServiceDashboard,
    ServiceLevels,
    ServiceStack,
    ServiceTable,
    StackKind,
)
from shared_constructs.direct_api import PUBLIC, DirectApi, GetItem, path

STAGE = "prod"


class LoanEnded(PublishedEvent, major=1):
    loan_id: str
    reason: Literal["RETURNED", "LOST"]
    fee: Money
    days: int | None = None


class Loan(BaseModel):
    id: str


METRICS = (
    BusinessMetric("LoansEnded", LoanEnded, by="reason"),
    BusinessMetric("Fees", LoanEnded, value="fee.amountMinor", unit=Unit.NONE),
    BusinessMetric("LateLoans", LoanEnded, value="days", above=30),
)


def build(app, **levels):
    table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Loans")
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    api = DirectApi(stack, "Api", description="Loans")
    api.route(
        "GET",
        "/loans/{id}",
        GetItem(table=table, key={"pk": path("id"), "sk": "L"}, response=Loan),
        auth=PUBLIC,
    )
    metrics = BusinessMetrics(stack, "Metrics", metrics=METRICS, counted=("ShelvesEmptied",))
    ended = Objective(
        name="EndedWell",
        promise="95 % of the loans end with their return",
        target=0.95,
        bad=lambda period: metrics.metric("LoansEnded", group="LOST", period=period),
        total=lambda period: metrics.metric("LoansEnded", period=period),
        query="commerce/prod/lending/events",
    )
    ServiceLevels(stack, "Levels", objectives=[ended], latency=Duration.millis(400), **levels)
    ServiceDashboard(stack, "Dashboard")


@pytest.fixture(scope="module")
def template():
    return synthesize(build, service="lending", stage=STAGE)[f"commerce-{STAGE}-lending"]


def filters(template):
    return {
        each["MetricTransformations"][0]["MetricName"]: (
            each["FilterPattern"],
            each["MetricTransformations"][0],
        )
        for each in of_type(template, "AWS::Logs::MetricFilter")
    }


def test_each_metric_reads_the_events_that_the_service_itself_tells(template):
    found = filters(template)
    assert found.keys() == {"LoansEnded", "Fees", "LateLoans"}
    for pattern, transformation in found.values():
        assert pattern.startswith('{ ($.source = "commerce.lending") && ($.detail-type = "LoanEnded.v1")')
        assert transformation["MetricNamespace"] == "Commerce/prod"
        assert transformation["Dimensions"][0] == {"Key": "service", "Value": "$.detail.metadata.service"}
    assert found["Fees"][1]["MetricValue"] == "$.detail.data.fee.amountMinor"
    assert found["LoansEnded"][1]["Dimensions"][1:] == [{"Key": "reason", "Value": "$.detail.data.reason"}]
    assert found["LateLoans"][0].endswith("&& ($.detail.data.days > 30) }")
    assert [found[name][1]["MetricValue"] for name in ("LoansEnded", "LateLoans")] == ["1", "1"]


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ({"value": "fee.currency"}, "no number 'fee.currency'"),
        ({"value": "weeks"}, "no number 'weeks'"),
        ({"by": "loanId"}, "no Literal 'loanId'"),
        ({"above": 3}, "needs a value to compare"),
    ],
)
def test_a_metric_of_what_the_event_does_not_say_is_refused(metric, message):
    with pytest.raises(ValueError, match=message):
        BusinessMetric("Loans", LoanEnded, **metric)


def test_a_budget_burns_when_a_long_and_a_short_window_agree(template):
    alarms = {
        name: each["Properties"]
        for name, each in template["Resources"].items()
        if each["Type"] == "AWS::CloudWatch::Alarm" and name.startswith("Levels")
    }
    windows = {
        name.removeprefix("Levels")[:-8]: (
            next(m["MetricStat"]["Period"] for m in alarm["Metrics"] if "MetricStat" in m),
            alarm["Threshold"],
        )
        for name, alarm in alarms.items()
    }
    assert {name: window for name, window in windows.items() if name.startswith("Availability")} == {
        "AvailabilityFastLong": (3600, 0.0144),
        "AvailabilityFastShort": (300, 0.0144),
        "AvailabilitySlowLong": (21600, 0.006),
        "AvailabilitySlowShort": (1800, 0.006),
    }
    assert windows["LatencyFastShort"] == (300, 0.144)
    assert windows["EndedWellSlowLong"] == (21600, 0.3)
    # Nothing but what is bad counts, five of it at least: no traffic and a lonely failure are no burn.
    assert all(" > 4, " in json.dumps(alarm["Metrics"]) for alarm in alarms.values())
    assert not any("4XX" in json.dumps(alarm) or alarm.get("AlarmActions") for alarm in alarms.values())
    rules = [json.dumps(each["AlarmRule"]) for each in of_type(template, "AWS::CloudWatch::CompositeAlarm")]
    for rule in rules:
        assert [rule.count("ALARM("), rule.count(" AND "), rule.count(" OR ")] == [4, 2, 1]
    assert len(rules) == 3
    assert list(faults(template)) == []


def test_a_promise_notifies_where_the_stage_says_so(template):
    promises = of_type(template, "AWS::CloudWatch::CompositeAlarm")
    assert {each["AlarmName"] for each in promises} == {
        f"commerce-prod-lending-{name}" for name in ("Availability", "Latency", "EndedWell")
    }
    assert all(each["AlarmActions"] == each["OKActions"] != [] for each in promises)
    quiet = synthesize(build, service="lending", stage="dev")["commerce-dev-lending"]
    assert not any("AlarmActions" in each for each in of_type(quiet, "AWS::CloudWatch::CompositeAlarm"))


@pytest.mark.parametrize("target", [0.5, 1, 99.9])
def test_an_objective_leaves_a_budget(target):
    with pytest.raises(ValueError, match=r"above 0\.5 and below 1"):
        Objective(name="X", promise="x", target=target, bad=lambda _: None, total=lambda _: None, query="q")


def test_the_dashboard_begins_with_what_customers_feel(template):
    [dashboard] = of_type(template, "AWS::CloudWatch::Dashboard")
    assert dashboard["DashboardName"] == "commerce-prod-lending"
    body = "".join(
        each if isinstance(each, str) else "token" for each in dashboard["DashboardBody"]["Fn::Join"][1]
    )
    widgets = sorted(json.loads(body)["widgets"], key=lambda each: (each["y"], each["x"]))
    titles = [each["properties"].get("title", each["type"]) for each in widgets]
    assert titles == [
        "text",
        "Promises",
        "Causes",
        "Objectives, over the time shown",
        "Objectives: percentage that goes well",
        "Business",
        "LoansEnded by reason",
        "Fees (Sum)",
        "LateLoans",
        "Requests",
        "Refused (4xx) and failed (5xx)",
        "Latency in ms",
        "Tables: units written",
        "Tables: units read",
        "Tables: throttled",
    ]
    assert "ShelvesEmptied" in body
    assert all(each["x"] + each["width"] <= 24 for each in widgets)
