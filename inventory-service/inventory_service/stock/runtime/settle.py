"""Read, decide, write; and when somebody else was first, read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inventory_service.stock.runtime.domain import reject
from inventory_service.stock.runtime.store import ConcurrentChangeError, OutOfStockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from service_runtime.envelope import Cause

    from inventory_service.stock.runtime.domain import Change, Reservation
    from inventory_service.stock.runtime.store import StockStore


def settle(
    store: StockStore, order_id: str, decide: Callable[[Reservation | None], Change | None], *, cause: Cause
) -> Reservation | None:
    """Bring an order's reservation to what a message asks for.

    Args:
        store: Where reservations and stock are.
        order_id: Whose reservation.
        decide: The rule that the message stands for; it sees the reservation as it is now.
        cause: The message.

    Returns:
        The reservation as changed, or None if the message changed nothing.

    Raises:
        ContentionError: Conflicts or throttling outlasted every attempt.
        ContradictionError: From `decide`.
    """
    while change := decide(store.reservation(order_id)):
        try:
            return _write(store, change, cause)
        except ConcurrentChangeError:
            continue
    return None


def _write(store: StockStore, change: Change, cause: Cause) -> Reservation:
    try:
        store.write(change, cause=cause)
    except OutOfStockError as short:
        change = reject(change, short.shortages)
        store.write(change, cause=cause)
    return change.after
