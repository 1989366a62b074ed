"""What the inventory service publishes, and when."""

from shared_constructs import DomainEvent

from inventory_service.contracts.published import StockLevel


def _answer(detail_type: str, status: str, data: str) -> DomainEvent:
    return DomainEvent(
        detail_type=detail_type,
        aggregate_id="$new.orderId",
        # Each version with this status answers a request, whose id is the causation.
        when=f"$new.sk = 'RESERVATION' and $new.status = '{status}'",
        data=data,
    )


def _entered(detail_type: str, level: str) -> DomainEvent:
    """The stock is at a level now and was not before; an item that is new was at none."""
    now, before = level.replace("$it", "$new"), level.replace("$it", "$old")
    return DomainEvent(
        detail_type=detail_type,
        aggregate_id="$new.sku",
        when=f"$new.sk = 'STOCK' and {now} and $not($exists($old) and {before})",
        data="{"
        + ", ".join(f"'{each.alias}': $new.{each.alias}" for each in StockLevel.model_fields.values())
        + "}",
    )


EVENTS = (
    _answer(
        "StockReserved.v1",
        "RESERVED",
        "{'orderId': $new.orderId, 'items': [$new.items.{'sku': sku, 'quantity': quantity}]}",
    ),
    _answer(
        "StockRejected.v1",
        "REJECTED",
        "{'orderId': $new.orderId, 'reason': $new.reason, 'shortages':"
        " [$new.shortages.{'sku': sku, 'requested': requested, 'available': available}]}",
    ),
    _entered("StockDepleted.v1", "$it.available = 0"),
    _entered("StockLow.v1", "($it.available > 0 and $it.available <= $it.lowThreshold)"),
    _entered("StockReplenished.v1", "($it.available > 0 and $it.available > $it.lowThreshold)"),
)
