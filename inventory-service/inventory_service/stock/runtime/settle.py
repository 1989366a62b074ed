"""Decide and write; and where the reservation turns out to be another, decide again on what it is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from inventory_service.stock.runtime.domain import Status, advance, reject
from inventory_service.stock.runtime.store import ConcurrentChangeError, OutOfStockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from service_runtime.envelope import Cause

    from inventory_service.stock.runtime.domain import Change, Reservation
    from inventory_service.stock.runtime.store import StockStore


def settle(
    store: StockStore,
    decide: Callable[[Reservation | None], Change | None],
    *,
    cause: Cause,
    known: Reservation | None = None,
) -> Reservation | None:
    """Bring an order's reservation to what a message asks for.

    Args:
        store: Where reservations and stock are.
        decide: The rule that the message stands for; it sees the reservation as it is now.
        cause: The message.
        known: The order's reservation as far as known, default none: most requests are the first of their order, and
            of others the refused write tells.

    Returns:
        The reservation as changed, or None if the message changed nothing.

    Raises:
        ContentionError: Conflicts or throttling outlasted every attempt.
        ContradictionError: From `decide`.
    """
    while change := decide(known):
        try:
            return _write(store, change, cause)
        except ConcurrentChangeError as changed:
            known = changed.current
    return None


def commit(store: StockStore, order_id: str, *, cause: Cause) -> Reservation | None:
    """Keep for good what is reserved for an order; returns and errors as of `settle`."""
    try:
        return store.commit(order_id, cause=cause)
    except ConcurrentChangeError as changed:
        decide = partial(advance, order_id=order_id, target=Status.COMMITTED)
        return settle(store, decide, cause=cause, known=changed.current)


def _write(store: StockStore, change: Change, cause: Cause) -> Reservation:
    try:
        store.write(change, cause=cause)
    except OutOfStockError as short:
        change = reject(change, short.shortages)
        store.write(change, cause=cause)
    return change.after
