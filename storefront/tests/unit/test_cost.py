"""The bill: what stands, what orders use, and what a change of either does."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from storefront.client import StorefrontError
from storefront.cost import change, document, report, standing, templates, whatif
from storefront.cost.assumptions import Assumptions
from storefront.cost.bill import Setting, function_ms, workflow
from storefront.cost.counting import item_bytes
from storefront.cost.counts import Age, Counts, age, definitions
from storefront.prices import TO_LOOK_AT, price_list

ASSUMED = Assumptions.kept()
NOBODY = replace(ASSUMED, figures={**ASSUMED.figures, "orders_per_customer": math.inf})
ABOUT = {"date": "2026-11-21T10:00", "commit": "abc", "times": 10}
PRICES = {name: price.usd for name, price in price_list().prices.items()}


def resource(kind, **properties):
    return {"Type": kind, "Properties": properties, "Metadata": {"aws:cdk:path": "stack/Own/Resource"}}


def of(stage="prod", service="order", **resources):
    return templates.of({f"commerce-{stage}-{service}": {"Resources": resources}}, stage)


def setting(stage, assumptions=NOBODY, **used):
    counts = Counts({}, {}, {}, {}, ABOUT)
    return Setting(stage, {f"order/{name}": each for name, each in used.items()}, counts, assumptions)


def month(kind, stage=None, **properties):
    found = of(Own=resource(kind, **properties))
    return standing.month(found.resources[0], stage or found, ASSUMED)


FLOW = {"workflowRuns": 1.0, "statesEntered": 4.0, "workflowMs": 30.0}
FUNCTION = {"lambdaInvocations": 2.0, "functionCpuMs": 20.0, "functionWaitedMs": 100.0}


# What stands ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "properties", "billed"),
    [
        ("AWS::CloudWatch::Alarm", {"MetricName": "Errors"}, {"alarmMetrics": 1}),
        (
            "AWS::CloudWatch::Alarm",
            {"Metrics": [{"MetricStat": {}}, {"MetricStat": {}}, {"Expression": "m1 / m2"}]},
            {"alarmMetrics": 2},
        ),
        ("AWS::CloudWatch::Dashboard", {}, {"dashboards": 1}),
        ("AWS::CloudWatch::CompositeAlarm", {}, {"compositeAlarms": 1}),
        ("AWS::WAFv2::WebACL", {"Rules": [{}, {}]}, {"webAcls": 1, "webAclRules": 2}),
        ("AWS::SecretsManager::Secret", {}, {"secrets": 1}),
        ("AWS::Scheduler::Schedule", {"ScheduleExpression": "rate(5 minutes)"}, {"scheduledRuns": 8760}),
        ("AWS::Synthetics::Canary", {"Schedule": {"Expression": "rate(1 hour)"}}, {"canaryRuns": 730}),
        ("AWS::Lambda::EventSourceMapping", {}, {"sqsRequests": 657_000}),
        ("AWS::Lambda::EventSourceMapping", {"StartingPosition": "LATEST"}, {}),
        (
            "AWS::Pipes::Pipe",
            {"SourceParameters": {"DynamoDBStreamParameters": {}}},
            {"streamReads": 4 * 730 * 3600},
        ),
        ("AWS::IAM::Role", {}, {}),
    ],
)
def test_what_stands_is_billed_by_its_type(kind, properties, billed):
    assert month(kind, **properties) == billed


def test_provisioned_concurrency_is_billed_by_the_memory_of_its_function():
    alias = resource(
        "AWS::Lambda::Alias",
        FunctionName={"Ref": "Function"},
        ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": 2},
    )
    stage = of(Function=resource("AWS::Lambda::Function", MemorySize=512), Alias=alias)
    assert setting(stage).bill(1).per_month == pytest.approx(730 * 3.6e6 * PRICES["provisionedGbMs"])


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("rate(1 day)", 730 / 24),
        ("cron(0/15 * * * ? *)", 730 * 4),
        ("cron(0 6 * * ? *)", 730 / 24),
        ("at(x)", 0),
    ],
)
def test_a_schedule_runs_so_often_a_month(expression, runs):
    assert standing.runs(expression, ASSUMED) == pytest.approx(runs)


@pytest.mark.parametrize(
    ("kind", "billed"),
    [
        ("EXPRESS", {"expressRuns": 730, "expressGbMs": 730 * 6.25}),
        ("STANDARD", {"standardTransitions": 2 * 730}),
    ],
)
def test_what_a_schedule_starts_is_billed_with_it(kind, billed):
    states = '{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:…:states:::apigateway:invoke"},"B":{"Type":"Pass"}}}'
    flow = resource("AWS::StepFunctions::StateMachine", StateMachineType=kind, DefinitionString=states)
    schedule = resource(
        "AWS::Scheduler::Schedule", ScheduleExpression="rate(1 hour)", Target={"Arn": {"Ref": "Flow"}}
    )
    stage = of(Schedule=schedule, Flow=flow)
    asked = {"scheduledRuns": 730, "apiRequests": 730, "inspectedRequests": 730}
    assert standing.month(stage.resources[0], stage, ASSUMED) == asked | billed


def test_what_only_this_stage_has_is_said_not_to_be_counted():
    stage = of(Pipe=resource("AWS::Pipes::Pipe"), Queue=resource("AWS::SQS::Queue"))
    kept = Counts({}, {}, {}, {"order/Queue": "x"}, ABOUT)
    assert document.alone(stage, kept, Age()) == ["order/Pipe"]
    assert document.alone(stage, kept, Age(unknown=("order/Pipe",))) == []


def test_a_type_that_nobody_has_thought_of_is_not_free():
    bill = setting(of(Cluster=resource("AWS::EKS::Cluster"), Role=resource("AWS::IAM::Role"))).bill(1)
    assert bill.not_priced == ("AWS::EKS::Cluster",)


def test_no_type_is_both_free_and_priced():
    assert not standing.FREE & standing.RULES.keys()


# What orders use --------------------------------------------------------------------------------------------------


def test_a_function_with_less_memory_takes_longer_and_waits_as_long():
    assert function_ms(FUNCTION, 1769) == pytest.approx(121)
    assert function_ms(FUNCTION, 177) == pytest.approx(100 + 200 + 1, rel=0.01)
    assert function_ms(FUNCTION, 10_240) == function_ms(FUNCTION, 1769)


def test_a_stage_s_memory_decides_what_a_function_costs():
    def cost(memory):
        stage = of(Function=resource("AWS::Lambda::Function", MemorySize=memory))
        return setting(stage, Function=FUNCTION).bill(1).per_order

    requests = 2 * PRICES["lambdaInvocations"]
    assert cost(1769) == pytest.approx(requests + 121 * 1769 / 1024 * PRICES["lambdaGbMs"])
    assert cost(512) < cost(1769)


def test_a_start_is_paid_as_often_as_is_assumed():
    stage = of(Function=resource("AWS::Lambda::Function", MemorySize=1024))
    counts = Counts({}, {"order/Function": 500.0}, {}, {}, ABOUT)
    bill = replace(setting(stage, Function=FUNCTION), counts=counts).bill(1)
    without = setting(stage, Function=FUNCTION).bill(1)
    assert bill.per_order - without.per_order == pytest.approx(2 * 0.01 * 500 * PRICES["lambdaGbMs"])


def test_a_workflow_is_billed_by_states_or_by_time_according_to_its_type():
    assert workflow("STANDARD", FLOW) == {"standardTransitions": 4.0}
    assert workflow("EXPRESS", FLOW) == {"expressRuns": 1.0, "expressGbMs": 6.25}
    assert workflow("EXPRESS", FLOW | {"workflowMs": 101.0})["expressGbMs"] == 12.5


@pytest.mark.parametrize(("level", "logged"), [("ALL", 1000), ("ERROR", 100), ("OFF", 0)])
def test_a_stage_s_level_decides_what_a_workflow_logs(level, logged):
    destination = {"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["Logs", "Arn"]}}}
    flow = resource(
        "AWS::StepFunctions::StateMachine",
        StateMachineType="EXPRESS",
        LoggingConfiguration={"Level": level, "Destinations": [destination]},
    )
    stage = of(Flow=flow, Logs=resource("AWS::Logs::LogGroup", RetentionInDays=30))
    made = setting(stage, Logs={"logBytes": 1000.0, "errorLogBytes": 100.0})
    (group,) = stage.of_type("AWS::Logs::LogGroup")
    assert made.order(group).get("logBytes", 0) == logged


def test_logs_are_kept_as_long_as_the_template_says():
    def stored(days):
        stage = of(Logs=resource("AWS::Logs::LogGroup", RetentionInDays=days))
        return setting(stage, Logs={"logBytes": 1e6}).order(stage.resources[0])["logByteMonths"]

    assert stored(90) == pytest.approx(3 * stored(30))


def test_a_web_acl_inspects_the_requests_of_its_service_alone():
    api = resource("AWS::ApiGateway::RestApi")
    stacks = {
        "commerce-prod-order": {"Resources": {"Acl": resource("AWS::WAFv2::WebACL"), "Api": api}},
        "commerce-prod-cart": {"Resources": {"Api": api}},
    }
    stage = templates.of(stacks, "prod")
    made = setting(stage, Api={"apiRequests": 3.0})
    made = replace(made, used={**made.used, "cart/Api": {"apiRequests": 9.0}})
    (acl,) = stage.of_type("AWS::WAFv2::WebACL")
    assert made.order(acl) == {"inspectedRequests": 3.0}


def test_what_an_order_leaves_in_a_table_is_paid_for_months_and_once_more_if_it_can_be_recovered():
    recovery = {"PointInTimeRecoveryEnabled": True}
    stage = of(Table=resource("AWS::DynamoDB::Table", PointInTimeRecoverySpecification=recovery))
    found = setting(stage, Table={"storedBytes": 100.0}).order(stage.resources[0])
    assert found == {"tableByteMonths": 1200.0, "recoverableByteMonths": 1200.0}


def test_users_are_billed_by_the_month_and_operators_are_few():
    pool = resource("AWS::Cognito::UserPool")
    stage = of(service="platform", Users=pool)
    made = setting(stage, ASSUMED, Anything={"events": 1.0})
    assert made.order(stage.resources[0]) == {"activeUsers": pytest.approx(1 / 1.5)}
    operators = replace(stage.resources[0], path="Identity/Operators/Pool")
    assert made.order(operators) == {}


def test_events_are_those_of_who_publishes():
    stage = of(Role=resource("AWS::IAM::Role"))
    used = {"AWS::Events::EventBus": {"events": 4.0, "eventBytes": 100.0}}
    (line,) = setting(stage, **used).bill(1).lines
    assert (line.service, line.per_order) == ("order", 4.0)


def test_a_quantity_without_a_price_is_no_gift():
    stage = of(Queue=resource("AWS::SQS::Queue"))
    with pytest.raises(KeyError):
        setting(stage, Queue={"unheardOf": 1.0}).bill(1).per_order  # noqa: B018 - it fails


def test_what_is_free_each_month_is_taken_off_only_where_somebody_asks():
    stage = of(Queue=resource("AWS::SQS::Queue"))
    made = setting(stage, Queue={"sqsRequests": 4.0})
    assert made.bill(1e6).total == pytest.approx(1.6)
    assert made.bill(1e6, is_free_tier=True).total == pytest.approx(1.2)
    assert made.bill(1e5, is_free_tier=True).total == pytest.approx(0.0)


def test_every_price_but_those_of_parts_we_may_get_is_of_something_that_is_billed():
    billed = {*PRICES} & TO_LOOK_AT
    assert not billed


# Journeys and their age -------------------------------------------------------------------------------------------


def counts(**journeys):
    return Counts(journeys, {}, {}, {}, ABOUT)


def test_an_order_is_what_is_done_around_it():
    kept = counts(visit={"product/Api": {"apiRequests": 4.0}}, order={"product/Api": {"apiRequests": 1.0}})
    assert kept.used({"visit": 10, "order": 1}) == {"product/Api": {"apiRequests": 41.0}}
    with pytest.raises(StorefrontError, match="Not counted: cart"):
        kept.used({"cart": 1})


def flow(definition="{}"):
    return resource("AWS::StepFunctions::StateMachine", DefinitionString=definition)


def test_counts_are_too_old_when_something_that_works_has_come_or_gone():
    then = of("local", Flow=flow(), Queue=resource("AWS::SQS::Queue"))
    kept = Counts({}, {}, {}, definitions(then), ABOUT)
    assert not age(kept, then).is_too_old
    assert not age(
        kept, of("local", Flow=flow(), Queue=resource("AWS::SQS::Queue"), R=resource("AWS::IAM::Role"))
    ).is_too_old
    assert age(kept, of("local", Flow=flow())).gone == ("order/Queue",)
    more = of("local", Flow=flow(), Queue=resource("AWS::SQS::Queue"), Pipe=resource("AWS::Pipes::Pipe"))
    assert (age(kept, more).unknown, age(kept, more).is_too_old) == (("order/Pipe",), True)
    trigger = resource("AWS::Lambda::Function")
    found = age(kept, of("local", Flow=flow(), Queue=resource("AWS::SQS::Queue"), Function=trigger))
    assert (found.unknown, found.is_too_old) == (("order/Function",), False)


def test_another_definition_is_said_and_trusted():
    kept = Counts({}, {}, {}, definitions(of("local", Flow=flow())), ABOUT)
    found = age(kept, of("local", Flow=flow('{"StartAt": "Other"}')))
    assert (found.changed, found.is_too_old) == (("order/Flow",), False)
    assert list(found.lines()) == ["order/Flow: was counted with another definition."]


def test_other_assumptions_hold_once_and_unknown_ones_are_refused_with_those_there_are():
    assert ASSUMED.assuming("visit=10 cold_starts=0").mix["visit"] == 10
    assert ASSUMED.mix["visit"] == 33
    for wrong in ("visits=3", "visit=many", "visit=-1"):
        with pytest.raises(StorefrontError):
            ASSUMED.assuming(wrong)


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"pk": {"S": "é"}}, 100 + 2 + 2),
        ({"n": {"N": "1234"}}, 100 + 1 + 4),
        ({"m": {"M": {"a": {"S": "xy"}}}}, 100 + 1 + 3 + 1 + 1 + 2),
        ({"l": {"L": [{"BOOL": True}]}, "s": {"SS": ["ab", "c"]}}, 100 + 1 + 3 + 2 + 1 + 3),
    ],
)
def test_an_item_is_as_large_as_dynamodb_says(item, size):
    assert item_bytes(item) == size


# What if ----------------------------------------------------------------------------------------------------------


def one(found, kind):
    return next(each for each in found if each.kind == kind)


def test_the_cheapest_memory_is_found_by_the_same_model():
    stage = of(Function=resource("AWS::Lambda::Function", MemorySize=1024))
    made = setting(stage, Function=FUNCTION)
    found = one(whatif.all_of(made, 1e6), "memory")
    smaller = setting(of(Function=resource("AWS::Lambda::Function", MemorySize=256)), Function=FUNCTION)
    assert "1,024 → 256 MB" in found.what
    assert found.usd == pytest.approx(smaller.bill(1e6).total - made.bill(1e6).total)


def test_batches_save_two_requests_and_a_run_for_each_message_that_rides_along():
    queue = resource("AWS::SQS::Queue")
    mapping = resource(
        "AWS::Lambda::EventSourceMapping",
        EventSourceArn={"Fn::GetAtt": ["Queue", "Arn"]},
        FunctionName={"Ref": "Function"},
    )
    stage = of(Queue=queue, Mapping=mapping, Function=resource("AWS::Lambda::Function", MemorySize=128))
    used = {"Queue": {"sqsMessages": 1.0, "sqsRequests": 3.0}, "Function": {"lambdaInvocations": 1.0}}
    found = one(whatif.all_of(setting(stage, **used), 1e6), "batch")
    saved = (
        1e6 * 0.9 * (2 * PRICES["sqsRequests"] + PRICES["lambdaInvocations"] + 0.5 / 8 * PRICES["lambdaGbMs"])
    )
    assert found.usd == pytest.approx(-saved)


def test_a_filter_saves_the_requests_and_runs_of_what_it_leaves_out():
    pipe = resource("AWS::Pipes::Pipe", Enrichment={"Ref": "Flow"})
    stage = of(Pipe=pipe, Flow=resource("AWS::StepFunctions::StateMachine", StateMachineType="STANDARD"))
    used = {"Pipe": {"pipeRecords": 4.0, "pipeRequests": 1.0}, "Flow": FLOW}
    found = one(whatif.all_of(setting(stage, **used), 1e6), "filter")
    assert found.usd == pytest.approx(1e6 * (3 * PRICES["pipeRequests"] + 12 * PRICES["standardTransitions"]))


def test_the_other_type_of_workflow_is_priced_and_what_cannot_be_is_said():
    waiting = resource(
        "AWS::StepFunctions::StateMachine",
        StateMachineType="STANDARD",
        DefinitionString={"Fn::Join": ["", ["…updateItem", ".waitForTaskToken", {"Ref": "X"}]]},
    )
    found = one(whatif.all_of(setting(of(Flow=waiting), Flow=FLOW), 1e6), "type")
    express = PRICES["expressRuns"] + 6.25 * PRICES["expressGbMs"]
    assert found.usd == pytest.approx(1e6 * (express - 4 * PRICES["standardTransitions"]))
    assert "cannot be" in found.but


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ({"Pipe": resource("AWS::Pipes::Pipe", Enrichment={"Ref": "Flow"})}, "enriches a pipe's records"),
        ({"Pipe": resource("AWS::Pipes::Pipe", Target={"Ref": "Flow"})}, "would not wait"),
        (
            {
                "Method": resource(
                    "AWS::ApiGateway::Method",
                    Integration={
                        "Uri": "…:states:action/StartSyncExecution",
                        "RequestTemplates": {"Ref": "Flow"},
                    },
                )
            },
            "a caller waits",
        ),
        ({}, ""),
    ],
)
def test_what_an_express_workflow_is_needed_for_is_said(beside, told):
    stage = of(Flow=resource("AWS::StepFunctions::StateMachine", StateMachineType="EXPRESS"), **beside)
    found = one(whatif.all_of(setting(stage, Flow=FLOW), 1e6), "type")
    assert told in found.but if told else not found.but


# The document, and what a change does -----------------------------------------------------------------------------


@pytest.fixture
def made():
    stage = templates.of(
        {
            "commerce-prod-order": {"Resources": {"Api": resource("AWS::ApiGateway::RestApi")}},
            "commerce-prod-bench": {"Resources": {"Fn": resource("AWS::Lambda::Function", MemorySize=1024)}},
        },
        "prod",
    )
    journeys = {name: {"order/Api": {"apiRequests": 1.0}} for name in ASSUMED.mix}
    journeys["bench"] = {"bench/Fn": FUNCTION}
    return document.made(stage, Counts(journeys, {}, {}, {}, ABOUT), ASSUMED, 1000, age=Age())


def test_a_document_adds_up(made):
    assert math.fsum(group["total"] for group in made["services"]) == pytest.approx(made["total"])
    assert math.fsum(group["total"] for group in made["resources"]) == pytest.approx(made["total"])
    assert math.fsum(each["perOrder"] for each in made["journeys"]) == pytest.approx(made["perOrder"])


def test_the_chain_is_compared_and_in_no_bill(made):
    assert [group["name"] for group in made["services"]] == [["order"]]
    assert "Lambda" in made["compared"]["chain"]
    assert "API Gateway" in made["compared"]["platform"]


def test_what_is_above_its_budget_is_said(made):
    assert document.over_budget(made) == []
    dear = made | {"withoutUsers": 1.0}
    assert document.over_budget(dear) == [
        "An order costs $1.000000, $0.998800 above its budget of $0.001200."
    ]


def test_a_page_keeps_what_is_around_the_tables(made):
    text = report.filled(f"before\n{report.START}\nstale\n{report.END}\nafter\n", made)
    assert text.startswith("before\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "stale" not in text
    assert report.filled(text, made) == text
    assert len(list(report.tables(made))) == len(list(report.sections(made))) + 1


def state(folder, resources, kept=None):
    folder.mkdir()
    (folder / change.TEMPLATES).write_text(json.dumps({"commerce-prod-order": {"Resources": resources}}))
    if kept:
        kept.write(folder / change.COUNTS)
    return folder


def test_a_change_is_told_by_service_for_an_order_and_for_a_month(tmp_path):
    journeys = {name: {"order/Flow": FLOW} for name in ASSUMED.mix}
    kept = counts(**journeys)
    express = resource("AWS::StepFunctions::StateMachine", StateMachineType="EXPRESS")
    standard = resource("AWS::StepFunctions::StateMachine", StateMachineType="STANDARD")
    before = state(tmp_path / "before", {"Flow": express}, kept)
    after = state(tmp_path / "after", {"Flow": standard, "D": resource("AWS::CloudWatch::Dashboard")}, kept)
    found = change.between(before, after, "prod", 1000)
    told = change.markdown(found)
    assert found.after.per_order > found.before.per_order
    assert "| order |" in told
    assert "| +$3.00 |" in told
    assert "counted again" not in told
    same = change.markdown(change.between(after, after, "prod", 1000))
    assert "| order |" not in same


def test_a_state_of_before_the_counts_is_priced_by_those_of_now(tmp_path):
    kept = counts(**{name: {"order/Flow": FLOW} for name in ASSUMED.mix})
    flows = {"Flow": resource("AWS::StepFunctions::StateMachine", StateMachineType="STANDARD")}
    before, after = state(tmp_path / "before", flows), state(tmp_path / "after", flows, kept)
    told = change.markdown(change.between(before, after, "prod", 1000))
    assert "| together | $" in told
    assert "(=)" in told
    nothing = change.markdown(change.between(after, before, "prod", 1000))
    assert "Nothing was counted yet" in nothing


def test_a_type_that_is_new_and_not_priced_is_said(tmp_path):
    kept = counts(**{name: {} for name in ASSUMED.mix})
    before = state(tmp_path / "before", {"Role": resource("AWS::IAM::Role")}, kept)
    after = state(tmp_path / "after", {"Cluster": resource("AWS::EKS::Cluster")}, kept)
    assert "**Not priced**: AWS::EKS::Cluster." in change.markdown(change.between(before, after, "prod", 1))


def test_templates_of_another_stage_are_refused():
    with pytest.raises(StorefrontError, match="is no stack of prod"):
        templates.of({"commerce-dev-order": {}}, "prod")
