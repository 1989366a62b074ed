"""What the order service publishes, and when; its requests to other services are declared where it waits for them."""

from shared_constructs.change_feed import DomainEvent, Stored, became, created, equals, raw

from order_service.contracts.published import OrderCancelled, OrderConfirmed, OrderFulfilled, OrderPlaced

BEGAN = raw("$not($exists($old))", implies=created() & equals("status", "PLACED"))
"""An order begins PLACED; republished after years, it is at any status and its first event still that of version 1."""

EVENTS = (
    DomainEvent(OrderPlaced, aggregate_id="orderId", version=1, when=BEGAN, data={"items": Stored("lines")}),
    DomainEvent(
        OrderConfirmed,
        aggregate_id="orderId",
        when=became("status", "CONFIRMED"),
        data={
            "items": Stored("lines"),
            "timeToConfirmMs": "$toMillis($new.updatedAt) - $toMillis($new.createdAt)",
        },
    ),
    DomainEvent(OrderFulfilled, aggregate_id="orderId", when=became("status", "FULFILLED")),
    DomainEvent(OrderCancelled, aggregate_id="orderId", when=became("status", "CANCELLED")),
)
