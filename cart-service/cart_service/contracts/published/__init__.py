"""The events this service publishes: none. What is in a cart concerns nobody until it is an order."""

from service_runtime.envelope import WireModel

PUBLISHED: dict[str, type[WireModel]] = {}
