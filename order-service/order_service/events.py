"""What the order service publishes, and when; its requests to other services are declared where it waits for them."""

from shared_constructs import DomainEvent

ITEMS = "[$new.lines.{'sku': sku, 'quantity': quantity}]"

EVENTS = (
    # Republished after years, the first event is still that of version 1.
    DomainEvent(
        detail_type="OrderPlaced.v1",
        aggregate_id="$new.orderId",
        when="$not($exists($old))",
        version="1",
        data=(
            f"{{'orderId': $new.orderId, 'customerId': $new.customerId, 'items': {ITEMS},"
            " 'total': $new.total}"
        ),
    ),
    DomainEvent(
        detail_type="OrderCancellationRequested.v1",
        aggregate_id="$new.orderId",
        when="$exists($new.cancelRequested) and $changed('cancelRequested')",
        data="{'orderId': $new.orderId}",
    ),
    DomainEvent(
        detail_type="OrderConfirmed.v1",
        aggregate_id="$new.orderId",
        when="$became('status', 'CONFIRMED')",
        data=f"{{'orderId': $new.orderId, 'customerId': $new.customerId, 'items': {ITEMS}}}",
    ),
    DomainEvent(
        detail_type="OrderFulfilled.v1",
        aggregate_id="$new.orderId",
        when="$became('status', 'FULFILLED')",
        data="{'orderId': $new.orderId}",
    ),
    DomainEvent(
        detail_type="OrderCancelled.v1",
        aggregate_id="$new.orderId",
        when="$became('status', 'CANCELLED')",
        data="{'orderId': $new.orderId, 'reason': $new.reason}",
    ),
)
