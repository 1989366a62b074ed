"""The events this service publishes: none. What is in a cart concerns nobody until it is an order."""
