"""What the product service publishes, and when."""

from shared_constructs import DomainEvent

from product_service.contracts.published import ProductChanged

# Attributes carry the names of the contract's fields; what a product lacks, its event lacks.
EVENTS = (
    DomainEvent(
        detail_type="ProductChanged.v1",
        aggregate_id="$new.sku",
        data="{"
        + ", ".join(f"'{field.alias}': $new.{field.alias}" for field in ProductChanged.model_fields.values())
        + "}",
    ),
)
