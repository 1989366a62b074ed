"""The events this service consumes: none. What is in the catalogue is decided by operators."""

from service_runtime.envelope import WireModel

CONSUMED: dict[str, type[WireModel]] = {}
