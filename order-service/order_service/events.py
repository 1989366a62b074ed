"""What the order service publishes, and when; its requests to other services are declared where it waits for them."""

from shared_constructs.change_feed import DomainEvent, Stored, became, created

from order_service.contracts.published import OrderCancelled, OrderConfirmed, OrderFulfilled, OrderPlaced

EVENTS = (
    # Republished after years, the first event is still that of version 1.
    DomainEvent(
        OrderPlaced, aggregate_id="orderId", version=1, when=created(), data={"items": Stored("lines")}
    ),
    DomainEvent(
        OrderConfirmed,
        aggregate_id="orderId",
        when=became("status", "CONFIRMED"),
        data={"items": Stored("lines")},
    ),
    DomainEvent(OrderFulfilled, aggregate_id="orderId", when=became("status", "FULFILLED")),
    DomainEvent(OrderCancelled, aggregate_id="orderId", when=became("status", "CANCELLED")),
)
