"""What the cart service counts: it tells nothing, so its function does."""

COUNTED = ("CartsIssued", "CartsMerged", "LinesPut", "OldOrdersIgnored")
