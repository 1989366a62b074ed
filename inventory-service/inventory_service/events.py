"""What the inventory service publishes, and when."""

from shared_constructs.change_feed import Condition, DomainEvent, became, created, equals, raw, was

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


def _entered(level: str, *, implies: Condition) -> Condition:
    """The stock is at a level now and was not before; an item that is new was at none."""
    now, before = level.replace("$it", "$new"), level.replace("$it", "$old")
    return STOCK & raw(
        f"{now} and $not($exists($old) and {before})", implies=~equals("available", 0) & implies
    )


EVENTS = (
    DomainEvent(StockReserved, aggregate_id="orderId", when=RESERVATION & equals("status", "RESERVED")),
    DomainEvent(StockRejected, aggregate_id="orderId", when=RESERVATION & equals("status", "REJECTED")),
    DomainEvent(StockDepleted, aggregate_id="sku", when=STOCK & became("available", 0)),
    # A sku without a threshold, as most are, is never low and is replenished only from nothing.
    DomainEvent(
        StockLow,
        aggregate_id="sku",
        when=_entered(
            "($it.available > 0 and $it.available <= $it.lowThreshold)", implies=~equals("lowThreshold", 0)
        ),
    ),
    DomainEvent(
        StockReplenished,
        aggregate_id="sku",
        when=_entered(
            "($it.available > 0 and $it.available > $it.lowThreshold)",
            implies=created() | was("available", 0) | ~was("lowThreshold", 0),
        ),
    ),
)
