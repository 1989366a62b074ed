"""What the inventory service publishes, and when."""

from shared_constructs.change_feed import DomainEvent, became, created, equals, raw, was

from inventory_service.contracts.published import (
    StockDepleted,
    StockLow,
    StockRejected,
    StockReplenished,
    StockReserved,
)

STOCK = equals("sk", "STOCK")
RESERVATION = equals("sk", "RESERVATION")
"""Each version with this status answers a request, whose id is the causation."""

IN_STOCK = ~equals("available", 0)
"""Stock is at one of three levels: depleted, low or, above its threshold, plenty; an item that is new was at none. A sku
without a threshold, as most are, is never low and is replenished only from nothing."""
LOW = raw(
    "$new.available > 0 and $new.available <= $new.lowThreshold",
    implies=IN_STOCK & ~equals("lowThreshold", 0),
)
WAS_LOW = raw("$old.available > 0 and $old.available <= $old.lowThreshold")
WAS_NOT_PLENTY = raw(
    "$not($old.available > 0 and $old.available > $old.lowThreshold)",
    implies=created() | was("available", 0) | ~was("lowThreshold", 0),
)

EVENTS = (
    DomainEvent(StockReserved, aggregate_id="orderId", when=RESERVATION & equals("status", "RESERVED")),
    DomainEvent(StockRejected, aggregate_id="orderId", when=RESERVATION & equals("status", "REJECTED")),
    DomainEvent(StockDepleted, aggregate_id="sku", when=STOCK & became("available", 0)),
    DomainEvent(StockLow, aggregate_id="sku", when=STOCK & LOW & ~WAS_LOW),
    DomainEvent(StockReplenished, aggregate_id="sku", when=STOCK & IN_STOCK & ~LOW & WAS_NOT_PLENTY),
)
