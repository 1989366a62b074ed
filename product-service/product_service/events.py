"""What the product service publishes, and when."""

from shared_constructs.change_feed import DomainEvent

from product_service.contracts.published import ProductChanged

EVENTS = (DomainEvent(ProductChanged, aggregate_id="sku"),)
