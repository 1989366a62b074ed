"""What the inventory service counts of what it says; receipts are counted by its function."""

from shared_constructs import BusinessMetric

from inventory_service.contracts.published import (
    StockDepleted,
    StockLow,
    StockRejected,
    StockReplenished,
    StockReserved,
)

METRICS = (
    BusinessMetric("OrdersReserved", StockReserved),
    BusinessMetric("OrdersRejected", StockRejected, by="reason"),
    BusinessMetric("StockOuts", StockDepleted),
    BusinessMetric("LowStocks", StockLow),
    BusinessMetric("Replenishments", StockReplenished),
)

COUNTED = ("PiecesReceived",)
"""By the function itself."""
