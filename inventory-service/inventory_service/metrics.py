"""What the inventory service counts of what it says; its function counts reservations, once however often they are told."""

from shared_constructs import BusinessMetric

from inventory_service.contracts.published import StockDepleted, StockLow, StockReplenished

METRICS = (
    BusinessMetric("StockOuts", StockDepleted),
    BusinessMetric("LowStocks", StockLow),
    BusinessMetric("Replenishments", StockReplenished),
)

COUNTED = (
    *("ReservationsReserved", "ReservationsRejected", "ReservationsCommitted", "ReservationsReleased"),
    *("ReservationsFulfilled", "PiecesReceived"),
)
"""By the function itself."""
