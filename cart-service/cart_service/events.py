"""What the cart service publishes, and when: nothing yet. A cart is its customer's own until it becomes an order."""

from shared_constructs.change_feed import DomainEvent

EVENTS: tuple[DomainEvent, ...] = ()
