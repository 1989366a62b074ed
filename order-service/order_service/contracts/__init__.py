"""The events this service publishes, and what it reads of those it consumes."""
