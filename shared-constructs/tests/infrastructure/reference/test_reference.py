"""Stacks that use every construct: what they become in a template is what a release of the library promises.

`make release-check` compares these snapshots with those of the last release: a logical id that has gone is a major version.
"""

import sys

import pytest
from aws_cdk import Duration
from service_runtime.envelope import PublishedEvent
from service_testing import synthesize
from service_testing.templates import masked
from shared_constructs import (
    Aggregate,
    BusinessMetric,
    BusinessMetrics,
    ChangeFeed,
    Counter,
    DomainEvent,
    EventRequest,
    EventSchemas,
    ExpressWorkflow,
    Projection,
    QueueConsumer,
    ServiceDashboard,
    ServiceFunction,
    ServiceLevels,
    ServiceStack,
    ServiceTable,
    StackKind,
    StandardWorkflow,
    Subscription,
    SyntheticCheck,
)
from shared_constructs.direct_api import (
    PUBLIC,
    DirectApi,
    GetItem,
    InvokeFunction,
    Scopes,
    StartWorkflow,
    path,
    text,
)
from syrupy.extensions.json import JSONSnapshotExtension

HANDLER = "def handle(event, context):\n    return event\n"
SAY = {"QueryLanguage": "JSONata", "StartAt": "Say", "States": {"Say": {"Type": "Succeed"}}}


class Loan(PublishedEvent, major=1):
    loan_id: str


class ScoreRequested(PublishedEvent, major=1):
    loan_id: str
    expires_at: str


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setenv("COMMERCE_CACHE_DIR", str(tmp_path / "cache"))
    runtime = tmp_path / "loan_functions"
    runtime.mkdir()
    (runtime / "__init__.py").touch()
    (runtime / "handler.py").write_text(HANDLER)
    monkeypatch.syspath_prepend(str(tmp_path))


def build(app):
    data = ServiceStack(app, kind=StackKind.STATEFUL)
    loans = ServiceTable(data, "Loans", stream=True, indexes={"gsi1": ()})
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    score = EventRequest(
        stack,
        "Score",
        aggregate=Aggregate(
            table=loans,
            aggregate_id="loanId",
            key={"pk": "'LOAN#' & $loanId", "sk": "'LOAN'"},
            open_when="$item.status.S = 'OPEN'",
        ),
        request=ScoreRequested,
        accepted=Subscription(source="commerce.scores", detail_type="ScoreGiven.v1"),
        rejected=Subscription(source="commerce.scores", detail_type="ScoreRefused.v1"),
        time_limit=Duration.minutes(5),
        longest_redelivery=Duration.seconds(30),
    )
    events = [DomainEvent(Loan, aggregate_id="loanId"), score.event]
    ChangeFeed(stack, "Feed", table=loans, events=events)
    EventSchemas(stack, "Schemas", published=sys.modules[__name__])
    StandardWorkflow(stack, "Lifecycle", definition=SAY)
    function = ServiceFunction(
        stack,
        "Decide",
        package="loan_functions",
        include=("handler.py",),
        handler="loan_functions.handler.handle",
        reserved_concurrency=100,
    )
    placed = Subscription(source="commerce.loans", detail_type="LoanAsked.v1")
    QueueConsumer(stack, "Asked", target=function, subscriptions=[placed])
    Projection(
        stack,
        "Customers",
        table=loans,
        subscriptions=[Subscription(source="commerce.customers", detail_type="CustomerChanged.v1")],
        model=Loan,
        key={"pk": "'CUSTOMER#' & $data.loanId", "sk": "'CUSTOMER'"},
        attributes={"loanId": "$data.loanId"},
    )
    Counter(
        stack,
        "Asked by day",
        table=loans,
        subscriptions=[placed],
        model=Loan,
        key={"pk": "'DAY#' & $substring($metadata.occurredAt, 0, 10)", "sk": "'LOANS'"},
        add={"asked": "1"},
        once="$data.loanId",
    )
    api = DirectApi(stack, "Api", description="Loans")
    key = {"pk": text("LOAN#", path("loanId")), "sk": "LOAN"}
    api.route("GET", "/loans/{loanId}", GetItem(table=loans, key=key, response=Loan), auth=PUBLIC)
    quote = ExpressWorkflow(stack, "Quote", definition=SAY)
    api.route("POST", "/quotes", StartWorkflow(workflow=quote, input={}), auth=Scopes("commerce/shop"))
    api.route("POST", "/loans", InvokeFunction(function=function), auth=PUBLIC)
    SyntheticCheck(stack, "Check", api=api, path="/loans/none", expected=404)
    BusinessMetrics(stack, "Metrics", metrics=[BusinessMetric("LoansChanged", Loan)])
    ServiceLevels(stack, "Levels")
    ServiceDashboard(stack, "Dashboard")


@pytest.mark.usefixtures("package")
def test_what_the_constructs_become_changes_only_when_it_is_meant(snapshot):
    for name, template in synthesize(build, service="loans", stage="prod").items():
        assert masked(template) == snapshot(name=name, extension_class=JSONSnapshotExtension)
