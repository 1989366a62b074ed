"""The service's templates, synthesized once, and the service brought to life from them in moto."""

import json
from itertools import count

import pytest
from order_service.settings import OrderSettings
from order_service.stack import build
from service_runtime.envelope import Event
from service_testing import Deployment, synthesize
from service_testing.aws import client
from service_testing.workflows import aws_call

CUSTOMER = {"sub": "customer-1", "scope": "openid commerce/shop"}
OPERATOR = {"sub": "operator-1", "scope": "openid commerce/shop commerce/operate"}
CONSUMERS = {
    "Products": "Catalogue",
    "Availability": "Catalogue",
    "Stock": "Lifecycle",
    "Payment": "Lifecycle",
    "Interruptions": "Lifecycle",
    "Placed": "Lifecycle",
}
NAMES = {"TARTE-CITRON": ("Tarte au citron", 620), "BRIOCHE": ("Brioche", 450)}


@pytest.fixture(scope="session")
def templates():
    return synthesize(build, service="order", settings=OrderSettings, stage="dev")


@pytest.fixture
def shop(templates):
    with Deployment(templates) as deployment:
        yield Shop(deployment)


@pytest.fixture
def lagging(shop, monkeypatch):
    """DynamoDB at its worst: whoever does not ask for the present finds nothing of the last seconds.

    Indexes, which cannot be read otherwise, and the catalogue, which says itself how old it is, are as they are.
    """
    dynamodb, catalogue = client("dynamodb"), shop.deployment.table("Catalogue").name

    def behind(name, nothing):
        call = getattr(dynamodb, name)

        def read(**request):
            tables = request.get("RequestItems", {request.get("TableName"): request})
            late = [
                table
                for table, asked in tables.items()
                if table != catalogue and "IndexName" not in asked and not asked.get("ConsistentRead")
            ]
            return nothing if late else call(**request)

        monkeypatch.setattr(dynamodb, name, read)

    behind("get_item", {})
    behind("query", {"Items": [], "Count": 0})
    behind("scan", {"Items": [], "Count": 0})
    behind("batch_get_item", {"Responses": {}, "UnprocessedKeys": {}})
    return shop


class Shop:
    """The order service with a catalogue, and other services that answer as a test tells them to."""

    def __init__(self, deployment):
        self.deployment = deployment
        self.keys = count(1)
        for sku, (name, price) in NAMES.items():
            self.product(sku, name=name, price=price)

    # What callers do

    def place(self, *lines, key=None, claims=CUSTOMER, **body):
        lines = lines or (("TARTE-CITRON", 2), ("BRIOCHE", 1))
        return self.deployment.request(
            "POST",
            "/orders",
            headers={"Idempotency-Key": key or f"key-{next(self.keys)}"},
            body={
                "items": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
                "paymentMethod": "tok_visa",
                **body,
            },
            claims=claims,
        )

    def placed(self, *lines, **options):
        response = self.place(*lines, **options)
        assert response.status == 202, response.body
        return response.json()["orderId"]

    def order(self, order_id, *, claims=CUSTOMER):
        response = self.deployment.request("GET", f"/orders/{order_id}", claims=claims)
        assert response.status == 200, response.body
        return response.json()

    def cancel(self, order_id, *, claims=CUSTOMER, headers=None):
        return self.deployment.request(
            "POST", f"/orders/{order_id}/cancellation", claims=claims, headers=headers
        )

    def fulfil(self, order_id, *, claims=OPERATOR):
        return self.deployment.request("POST", f"/operations/orders/{order_id}/fulfilment", claims=claims)

    # What other services say

    def product(self, sku, *, name="A product", price=100, status="ACTIVE", version=1):
        data = {
            "sku": sku,
            "name": name,
            "price": {"amountMinor": price, "currency": "EUR"},
            "status": status,
            "version": version,
        }
        self.feed("Products", self.event("product", "ProductChanged.v1", sku, data, version=version))

    def stock_level(self, sku, available, *, version=1, fact="StockDepleted.v1"):
        data = {"sku": sku, "available": available, "version": version}
        self.feed("Availability", self.event("inventory", fact, sku, data, version=version))

    def reply(self, request, fact, **data):
        """Another service's answer to a request event."""
        service = "payment" if fact.startswith("Payment") else "inventory"
        order_id = request.data["orderId"]
        return self.event(
            service, fact, order_id, {"orderId": order_id, **data}, causation=request.metadata.event_id
        )

    @staticmethod
    def event(service, detail_type, aggregate_id, data, *, version=1, causation=None):
        return Event.create(
            service=service,
            stage="dev",
            detail_type=detail_type,
            aggregate_id=aggregate_id,
            aggregate_version=version,
            data=data,
            causation_id=causation,
        )

    def feed(self, consumer, *events):
        outcome = self.deployment.feed(f"{CONSUMERS[consumer]}{consumer}", events)
        assert not outcome.ignored, outcome.ignored
        return outcome

    # What happened

    def events(self, detail_type=None):
        told = self.deployment.published("Changes")
        return [event for event in told if detail_type in (None, event.detail_type)]

    def last(self, detail_type):
        return self.events(detail_type)[-1]

    def item(self, order_id):
        return next(item for item in self.deployment.items("Orders") if item["orderId"] == order_id)

    def run(self, order_id, *, stock=None, payment=None, **options):
        """The order's lifecycle; `stock` and `payment` say what happens during each wait."""
        stock, payment = stock or self.stock_reserved, payment or self.payment_captured
        during = {"ReserveStock": stock, "RequestPayment": payment, "RequestPaymentAgain": payment}
        execution = self.deployment.run(
            "LifecycleWorkflow",
            {"orderId": order_id},
            on_callback=lambda wait: during[wait.state](),
            name=order_id,
            **options,
        )
        assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
        return execution

    def stock_reserved(self):
        return self._answer(
            "Stock", self.reply(self.last("StockReservationRequested.v1"), "StockReserved.v1")
        )

    def stock_rejected(self):
        shortages = [{"sku": "BRIOCHE", "requested": 1, "available": 0}]
        return self._reject_stock("OUT_OF_STOCK", shortages)

    def stock_request_expired(self):
        return self._reject_stock("EXPIRED", [])

    def _reject_stock(self, reason, shortages):
        request = self.last("StockReservationRequested.v1")
        refusal = self.reply(request, "StockRejected.v1", reason=reason, shortages=shortages)
        return self._answer("Stock", refusal)

    def payment_captured(self):
        return self._answer("Payment", self.reply(self.last("PaymentRequested.v1"), "PaymentCaptured.v1"))

    def payment_declined(self):
        request = self.last("PaymentRequested.v1")
        return self._answer("Payment", self.reply(request, "PaymentDeclined.v1", reason="card_declined"))

    def _answer(self, consumer, event):
        outcome = self.feed(consumer, event)
        assert not outcome.dead_letters

    def lifecycle_died(self, order_id, status="FAILED"):
        """An execution ended badly, and Step Functions says so."""
        self.execution(order_id, stopped=True)
        self.notice(order_id, status)

    def notice(self, order_id, status):
        """Deliver what Step Functions says about an execution."""
        lifecycle = self.deployment.resource("LifecycleWorkflow", "AWS::StepFunctions::StateMachine")
        outcome = self.feed(
            "Interruptions",
            {
                "source": "aws.states",
                "detail-type": "Step Functions Execution Status Change",
                "detail": {"name": order_id, "status": status, "stateMachineArn": lifecycle.ref},
            },
        )
        assert not outcome.dead_letters

    def execution(self, order_id, *, stopped=False):
        """The order's execution as Step Functions knows it, beside what `run` does."""
        sfn = self.deployment.client("stepfunctions")
        lifecycle = self.deployment.resource("LifecycleWorkflow", "AWS::StepFunctions::StateMachine").ref
        arn = f"{lifecycle.replace(':stateMachine:', ':execution:')}:{order_id}"
        if order_id not in self.executions():
            arn = sfn.start_execution(stateMachineArn=lifecycle, name=order_id, input="{}")["executionArn"]
        if stopped:
            sfn.stop_execution(executionArn=arn)

    def executions(self):
        """Names of the lifecycle's executions."""
        lifecycle = self.deployment.resource("LifecycleWorkflow", "AWS::StepFunctions::StateMachine").ref
        found = self.deployment.client("stepfunctions").list_executions(stateMachineArn=lifecycle)
        return [execution["name"] for execution in found["executions"]]

    def republished(self):
        """What the runs of `Republish` that a workflow has started put on the bus."""
        sfn = self.deployment.client("stepfunctions")
        republish = self.deployment.resource("ChangesRepublish", "AWS::StepFunctions::StateMachine").ref
        put = []

        def call(integration, arguments):
            if integration.action != "putEvents":
                return aws_call(integration, arguments)
            put.extend(arguments["Entries"])
            return {"FailedEntryCount": 0, "Entries": []}

        for execution in sfn.list_executions(stateMachineArn=republish)["executions"]:
            started = sfn.describe_execution(executionArn=execution["executionArn"])
            run = self.deployment.run("ChangesRepublish", json.loads(started["input"]), call=call)
            assert run.status == "SUCCEEDED", (run.error, run.cause)
        return [
            Event.parse(
                {"source": entry["Source"], "detail-type": entry["DetailType"], "detail": entry["Detail"]}
            )
            for entry in put
        ]

    def write(self, order_id, expression, values=None):
        """Change the order's item beside everybody."""
        self.deployment.table("Orders").update_item(
            Key={"pk": f"ORDER#{order_id}", "sk": "ORDER"},
            UpdateExpression=expression,
            ExpressionAttributeValues=values,
        )
