"""What the order service counts of what it says, and what it promises beyond its API."""

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import IMetric, MathExpression, Unit
from shared_constructs import BusinessMetric, BusinessMetrics, Objective, ServiceStack
from shared_constructs.queries import EVENTS, saved

from order_service.contracts.published import OrderCancelled, OrderConfirmed, OrderFulfilled, OrderPlaced

IN_TIME = Duration.seconds(30)
"""How long an order may take to be confirmed: several times what it takes while everybody answers."""

TARGET = 0.99
"""The share of orders that are confirmed in time, of those that nobody refuses."""

METRICS = (
    BusinessMetric("OrdersPlaced", OrderPlaced),
    BusinessMetric("OrdersConfirmed", OrderConfirmed),
    BusinessMetric("OrdersFulfilled", OrderFulfilled),
    # In the currency's minor unit; a stage has one currency.
    BusinessMetric("OrderValue", OrderPlaced, value="total.amountMinor", unit=Unit.NONE),
    BusinessMetric("TimeToConfirm", OrderConfirmed, value="timeToConfirmMs", unit=Unit.MILLISECONDS),
    BusinessMetric(
        "OrdersConfirmedLate", OrderConfirmed, value="timeToConfirmMs", above=IN_TIME.to_milliseconds()
    ),
    BusinessMetric("OrdersCancelled", OrderCancelled, by="reason"),
)


def confirmed_in_time(metrics: BusinessMetrics) -> Objective:
    """An order that could be delivered and paid is confirmed in time; one that ran out of time was not.

    What is out of stock, declined or cancelled by its customer is no miss.
    """

    def timed_out(period: Duration) -> IMetric:
        return metrics.metric("OrdersCancelled", group="TIMED_OUT", period=period)

    def bad(period: Duration) -> IMetric:
        late = metrics.metric("OrdersConfirmedLate", period=period)
        return MathExpression(
            expression="FILL(late, 0) + FILL(timedOut, 0)",
            using_metrics={"late": late, "timedOut": timed_out(period)},
            period=period,
        )

    def total(period: Duration) -> IMetric:
        confirmed = metrics.metric("OrdersConfirmed", period=period)
        return MathExpression(
            expression="FILL(confirmed, 0) + FILL(timedOut, 0)",
            using_metrics={"confirmed": confirmed, "timedOut": timed_out(period)},
            period=period,
        )

    return Objective(
        name="ConfirmedInTime",
        promise=f"{TARGET:.0%} of the orders that nobody refuses are confirmed within {IN_TIME.to_seconds():g} s",
        target=TARGET,
        bad=bad,
        total=total,
        query=saved(metrics, EVENTS, ServiceStack.of(metrics).event_log),
    )
