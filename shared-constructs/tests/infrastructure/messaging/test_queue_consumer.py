import json
import sys
import textwrap

import pytest
from aws_cdk import Duration
from aws_cdk.aws_events import EventPattern, Rule
from service_runtime.envelope import Event
from service_testing import Deployment, synthesize
from shared_constructs import (
    Batching,
    ExpressWorkflow,
    QueueConsumer,
    ServiceFunction,
    ServiceStack,
    StackKind,
    Subscription,
)
from shared_constructs.function import NO_DEPENDENCIES

PLACED = Subscription(source="commerce.order", detail_type="OrderPlaced.v1")
PASS = {"QueryLanguage": "JSONata", "StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}

HANDLER = textwrap.dedent(
    """
    from pydantic import BaseModel
    from service_runtime.consumer import EventConsumer, PoisonMessage, RetryLater

    class Order(BaseModel):
        wish: str

    handler = EventConsumer()

    @handler.on("OrderPlaced.v1", data=Order)
    def place(event, message):
        match event.data.wish:
            case "reject":
                raise PoisonMessage("the order is not ours")
            case "later":
                raise RetryLater(60, "not yet")
            case "crash":
                raise RuntimeError("unforeseen")
            case "heal" if message.receive_count < 3:
                raise RuntimeError("passing fault")
    """
)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A service's package with a consumer, importable as an installed one."""
    root = tmp_path_factory.mktemp("service")
    (root / "placing_service").mkdir()
    (root / "placing_service" / "__init__.py").write_text("")
    (root / "placing_service" / "handler.py").write_text(HANDLER)
    sys.path.insert(0, str(root))
    yield "placing_service"
    sys.path.remove(str(root))
    for name in [name for name in sys.modules if name.startswith("placing_service")]:
        del sys.modules[name]


def function_consumer(package, *, reserved_concurrency=None, timeout=None, **options):
    def build(app):
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        function = ServiceFunction(
            stack, "Place", package=package, include=("handler.py",), handler=f"{package}.handler.handler",
            dependencies=NO_DEPENDENCIES, timeout=timeout, reserved_concurrency=reserved_concurrency,
        )  # fmt: skip
        QueueConsumer(stack, "Placing", target=function, subscriptions=[PLACED], **options)

    return build


def workflow_consumer(definition=PASS, *, per_record=True, timeout=None, **options):
    def build(app):
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        workflow = ExpressWorkflow(
            stack,
            "Workflow",
            definition=definition,
            per_record=per_record,
            timeout=timeout or Duration.seconds(10),
        )
        QueueConsumer(stack, "Placing", target=workflow, subscriptions=[PLACED], **options)

    return build


def resources(build, kind, **options):
    (template,) = synthesize(build, service="order", **options).values()
    return {i: r["Properties"] for i, r in template["Resources"].items() if r["Type"] == kind}


def placed(wish):
    return Event.create(
        service="order",
        stage="local",
        detail_type="OrderPlaced.v1",
        aggregate_id=wish,
        aggregate_version=1,
        data={"wish": wish},
    )


def wishes(bodies):
    return sorted(body["detail"]["data"]["wish"] for body in bodies)


@pytest.fixture
def placing(package):
    with Deployment(synthesize(function_consumer(package), service="order")) as deployed:
        yield deployed


def test_a_function_handles_each_message_on_its_own(placing):
    outcome = placing.feed(
        "Placing", [placed(w) for w in ("fine", "crash", "heal", "reject", "later")], receives=1
    )
    assert wishes(outcome.handled) == ["fine", "reject"]
    assert wishes(outcome.pending) == ["crash", "heal", "later"]


def test_what_can_never_succeed_is_dead_lettered_at_once_with_its_reason(placing):
    outcome = placing.feed("Placing", [placed("reject")], receives=1)
    assert [(letter.body["detail"]["data"]["wish"], letter.reason) for letter in outcome.dead_letters] == [
        ("reject", "the order is not ours")
    ]


def test_what_keeps_failing_is_dead_lettered_after_five_receives_and_what_heals_is_handled(placing):
    outcome = placing.feed("Placing", [placed("crash"), placed("heal")])
    assert wishes(outcome.handled) == ["heal"]
    assert wishes(letter.body for letter in outcome.dead_letters) == ["crash"]
    assert outcome.dead_letters[0].reason is None


def test_data_that_does_not_fit_the_model_is_dead_lettered_naming_the_field(placing):
    odd = placed("x").envelope()
    odd["detail"]["data"] = {}
    (letter,) = placing.feed("Placing", [odd], receives=1).dead_letters
    assert "data.wish: Field required" in letter.reason


def test_a_workflow_gets_the_event_and_its_failure_is_its_own():
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Judge",
        "States": {
            "Judge": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $states.input.detail.data.wish = 'fine' %}", "Next": "Good"}],
                "Default": "Bad",
            },
            "Good": {"Type": "Succeed"},
            "Bad": {"Type": "Fail", "Error": "Refused"},
        },
    }
    with Deployment(synthesize(workflow_consumer(definition), service="order")) as deployed:
        outcome = deployed.feed("Placing", [placed("fine"), placed("bad")])
    assert wishes(outcome.handled) == ["fine"]
    assert wishes(letter.body for letter in outcome.dead_letters) == ["bad"]


def test_a_filter_drops_what_it_does_not_match(package):
    build = function_consumer(package, filters=[{"body": {"detail": {"data": {"wish": [{"prefix": "f"}]}}}}])
    with Deployment(synthesize(build, service="order")) as deployed:
        outcome = deployed.feed("Placing", [placed("fine"), placed("other")])
    assert wishes(outcome.handled) == ["fine"]
    assert wishes(outcome.ignored) == ["other"]


def queue_alarms(alarms):
    return [alarm for alarm in alarms.values() if alarm.get("Namespace") == "AWS/SQS"]


@pytest.mark.parametrize("stage", ["local", "prod"])
def test_every_queue_has_a_dlq_with_an_alarm_and_is_encrypted(package, stage):
    queues = resources(function_consumer(package), "AWS::SQS::Queue", stage=stage)
    (dlq,) = [i for i, q in queues.items() if "RedrivePolicy" not in q]
    (queue,) = [q for q in queues.values() if "RedrivePolicy" in q]
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": [dlq, "Arn"]},
        "maxReceiveCount": 10,
    }
    assert queues[dlq]["MessageRetentionPeriod"] == 14 * 86_400
    assert all(q["SqsManagedSseEnabled"] for q in queues.values())
    alarms = queue_alarms(resources(function_consumer(package), "AWS::CloudWatch::Alarm", stage=stage))
    watched = {(a["MetricName"], a["Dimensions"][0]["Value"]["Fn::GetAtt"][0]) for a in alarms}
    assert ("ApproximateNumberOfMessagesVisible", dlq) in watched
    assert "ApproximateAgeOfOldestMessage" in {name for name, _ in watched}


def test_no_other_queue_can_have_its_dlq(package):
    with Deployment(synthesize(function_consumer(package), service="order")) as deployed:
        queues = {"RedrivePolicy" in each.properties: each for each in deployed.resources("AWS::SQS::Queue")}
    queue, dlq = queues[True], queues[False]
    assert queue.properties["RedrivePolicy"]["deadLetterTargetArn"] == dlq.attributes["Arn"]
    allowed = {"redrivePermission": "byQueue", "sourceQueueArns": [queue.attributes["Arn"]]}
    assert dlq.properties["RedriveAllowPolicy"] == allowed


def test_no_queue_accepts_plain_http(package):
    policies = resources(function_consumer(package), "AWS::SQS::QueuePolicy").values()
    denied = [
        s["Resource"]["Fn::GetAtt"][0]
        for p in policies
        for s in p["PolicyDocument"]["Statement"]
        if s["Effect"] == "Deny" and s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    ]
    assert len(set(denied)) == 2


def test_what_a_rule_cannot_deliver_goes_to_the_same_dlq(package):
    (rule,) = resources(function_consumer(package), "AWS::Events::Rule").values()
    assert rule["EventPattern"] == {"source": ["commerce.order"], "detail-type": ["OrderPlaced.v1"]}
    (target,) = rule["Targets"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
    assert "Dlq" in target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0]


def test_visibility_outlasts_six_timeouts_and_the_window(package):
    build = function_consumer(
        package, timeout=Duration.seconds(20), batching=Batching(window=Duration.seconds(5), size=10)
    )
    (queue,) = [q for q in resources(build, "AWS::SQS::Queue").values() if "RedrivePolicy" in q]
    assert queue["VisibilityTimeout"] == 6 * 20 + 5


def test_the_mapping_reports_partial_failures_and_bounds_concurrency(package):
    (mapping,) = resources(
        function_consumer(package), "AWS::Lambda::EventSourceMapping", stage="prod"
    ).values()
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == 10
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 50}


def test_a_workflow_answers_its_pipe_synchronously():
    (pipe,) = resources(workflow_consumer(), "AWS::Pipes::Pipe").values()
    assert pipe["TargetParameters"]["StepFunctionStateMachineParameters"] == {
        "InvocationType": "REQUEST_RESPONSE"
    }
    assert pipe["SourceParameters"]["SqsQueueParameters"]["BatchSize"] == 10
    assert pipe["LogConfiguration"]["Level"] == "ERROR"


def test_concurrency_above_what_the_function_reserves_fails_the_synthesis(package):
    build = function_consumer(package, reserved_concurrency=5, batching=Batching(max_concurrency=6))
    with pytest.raises(RuntimeError, match=r"max_concurrency \(6\) must not exceed .* \(5\)"):
        synthesize(build)


def test_a_visibility_that_is_made_too_short_fails_the_synthesis(package):
    build = function_consumer(package, customize={"queue": {"visibility_timeout": Duration.seconds(30)}})
    with pytest.raises(RuntimeError, match=r"visibility timeout \(30 s\) must be at least 60 s"):
        synthesize(build)


def test_a_caller_s_own_properties_reach_the_resources(package):
    build = function_consumer(
        package,
        customize={
            "queue": {"max_message_size_bytes": 65_536},
            "event_source": {"max_concurrency": 7},
            "alarms": {"evaluation_periods": 4},
        },
    )
    assert 65_536 in [q.get("MaximumMessageSize") for q in resources(build, "AWS::SQS::Queue").values()]
    (mapping,) = resources(build, "AWS::Lambda::EventSourceMapping").values()
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 7}
    alarms = queue_alarms(resources(build, "AWS::CloudWatch::Alarm"))
    assert [alarm["EvaluationPeriods"] for alarm in alarms] == [4, 4]


def test_what_no_message_may_be_lost_without_cannot_be_customized():
    build = workflow_consumer(customize={"pipe": {"target_parameters": None}})
    with pytest.raises(ValueError, match="target_parameters of pipe cannot be customized"):
        synthesize(build)


def test_a_further_rule_of_any_bus_fills_the_queue_with_the_same_guards():
    def build(app):
        workflow_consumer()(app)
        (stack,) = app.node.children
        pattern = EventPattern(source=["aws.states"])
        stack.node.find_child("Placing").add_rule(Rule(stack, "Died", event_pattern=pattern))

    rules = resources(build, "AWS::Events::Rule").values()
    own, further = sorted(rules, key=lambda rule: "EventBusName" not in rule)
    assert "EventBusName" not in further
    ignored = {"Id"}
    assert [{k: v for k, v in t.items() if k not in ignored} for t in further["Targets"]] == [
        {k: v for k, v in t.items() if k not in ignored} for t in own["Targets"]
    ]
    died = {"source": "aws.states", "detail-type": "Anything", "detail": {}}
    with Deployment(synthesize(build, service="order")) as deployed:
        outcome = deployed.feed("Placing", [died])
    assert len(outcome.handled) == 1


def test_a_batch_window_beyond_five_minutes_is_refused():
    with pytest.raises(ValueError, match="between 0 and 300 seconds, got 301"):
        Batching(window=Duration.seconds(301))


def test_a_function_reads_one_queue_only(package):
    def build(app):
        function_consumer(package)(app)
        (stack,) = app.node.children
        QueueConsumer(stack, "Second", target=stack.node.find_child("Place"))

    with pytest.raises(ValueError, match="already reads"):
        synthesize(build)


def test_a_workflow_for_whole_batches_is_refused():
    with pytest.raises(ValueError, match="per_record=True"):
        synthesize(workflow_consumer(per_record=False))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Subscription(source="order", detail_type="A.v1"), "commerce.<service>, got 'order'"),
        (lambda: Subscription(source="commerce.order", detail_type="OrderPlaced"), "<Fact>.v<major>"),
        (lambda: Batching(size=11), "between 1 and 10, got 11"),
        (lambda: Batching(max_concurrency=1), "at least 2, got 1"),
    ],
)
def test_settings_that_aws_would_refuse_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_subscriptions_can_look_into_the_detail():
    def build(app):
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        workflow = ExpressWorkflow(stack, "W", definition=PASS, per_record=True)
        QueueConsumer(
            stack,
            "Big",
            target=workflow,
            subscriptions=[
                Subscription(
                    source="commerce.order", detail_type="OrderPlaced.v1", pattern={"data": {"wish": ["big"]}}
                ),
                Subscription(source="commerce.cart", detail_type="OrderPlaced.v1"),
            ],
        )

    with Deployment(synthesize(build, service="order")) as deployed:
        outcome = deployed.feed("Big", [placed("big"), placed("small")])
    assert wishes(outcome.handled) == ["big"]
    assert [e["detail"]["data"]["wish"] for e in outcome.ignored] == ["small"]


def test_a_feed_without_a_consumer_names_those_there_are(placing):
    with pytest.raises(LookupError, match=r"none called 'Nonsense': a consumer .*; there are: Placing$"):
        placing.feed("Nonsense", [])


def test_messages_that_a_route_put_on_the_queue_are_worked_off(placing):
    queue = next(r for r in placing.resources("AWS::SQS::Queue") if "RedrivePolicy" in r.properties)
    body = json.dumps(placed("fine").envelope())
    placing.client("sqs").send_message(QueueUrl=queue.ref, MessageBody=body)
    assert wishes(placing.feed("Placing", []).handled) == ["fine"]
