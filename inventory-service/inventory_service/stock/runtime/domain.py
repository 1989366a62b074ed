"""The rules of reservations, without AWS: what a message means for an order's reservation and for the stock.

One record per order moves `RESERVED → COMMITTED → FULFILLED | RELEASED` and remembers which requests it has
answered, so duplicates, reordering and late messages are normal input: they change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Status(StrEnum):
    """Where an order's reservation stands."""

    RESERVED = "RESERVED"
    REJECTED = "REJECTED"
    COMMITTED = "COMMITTED"
    FULFILLED = "FULFILLED"
    RELEASED = "RELEASED"


class Reason(StrEnum):
    """Why a reservation was rejected."""

    OUT_OF_STOCK = "OUT_OF_STOCK"
    EXPIRED = "EXPIRED"


# Where a record may go, skipping ahead included. A cancellation may come first (None) and leaves a tombstone.
_NEXT: dict[Status | None, frozenset[Status]] = {
    None: frozenset({Status.RELEASED}),
    Status.REJECTED: frozenset({Status.RELEASED}),
    Status.RESERVED: frozenset({Status.COMMITTED, Status.FULFILLED, Status.RELEASED}),
    Status.COMMITTED: frozenset({Status.FULFILLED, Status.RELEASED}),
    Status.FULFILLED: frozenset(),
    Status.RELEASED: frozenset(),
}
# What a record may hear late or again. Anything else contradicts what this service was told before.
_PAST: dict[Status | None, frozenset[Status]] = {
    Status.COMMITTED: frozenset({Status.COMMITTED}),
    Status.FULFILLED: frozenset({Status.COMMITTED, Status.FULFILLED}),
    Status.RELEASED: frozenset({Status.COMMITTED, Status.RELEASED}),
}


class ContradictionError(Exception):
    """The order's history and its reservation cannot both be true; a person has to look."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """So many pieces of a sku."""

    sku: str
    quantity: int


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """A line that could not be reserved, and how many pieces were left."""

    sku: str
    requested: int
    available: int


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request to reserve all lines of an order, or none."""

    request_id: str
    order_id: str
    lines: tuple[Line, ...]
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """One order's reservation.

    Attributes:
        order_id: Whose it is.
        status: Where it stands.
        version: 1 for the first write, one more for each change.
        lines: What was asked for; empty for a tombstone that no request preceded.
        answered: Ids of the requests that have their answer.
        reason: Why the last request was rejected.
        shortages: Which lines were short when the last request was rejected.
    """

    order_id: str
    status: Status
    version: int
    lines: tuple[Line, ...] = ()
    answered: tuple[str, ...] = ()
    reason: Reason | None = None
    shortages: tuple[Shortage, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Change:
    """A reservation's next version and what it does to the stock of each of its lines, all or nothing.

    Attributes:
        after: The version it makes, of the one before it.
        on_hand: Pieces that come into the house per piece of a line: 0, or -1 when they leave it.
        reserved: Pieces set aside per piece of a line: 1, 0 or -1.
    """

    after: Reservation
    on_hand: int = 0
    reserved: int = 0


def reserve(current: Reservation | None, request: Request, *, now: datetime) -> Change | None:
    """Decide on a request; whether every line is in stock is the store's condition.

    Args:
        current: The order's reservation so far.
        request: What is asked for.
        now: An expired request reserves nothing, because nobody waits for its answer any more.

    Returns:
        The change to make, or None if the request has its answer or the order is past it.
    """
    if current is None:
        base = Reservation(order_id=request.order_id, status=Status.REJECTED, version=0)
    elif current.status in (Status.RESERVED, Status.REJECTED) and request.request_id not in current.answered:
        base = current
    else:
        return None
    answered = replace(
        base,
        version=base.version + 1,
        lines=request.lines,
        answered=(*base.answered, request.request_id),
        reason=None,
        shortages=(),
    )
    if base.status is Status.RESERVED:
        # The order asks again, as its first wait has ended: the answer is repeated, the stock is not taken twice.
        return Change(after=replace(answered, lines=base.lines))
    if now >= request.expires_at:
        return Change(after=replace(answered, reason=Reason.EXPIRED))
    return Change(after=replace(answered, status=Status.RESERVED), reserved=1)


def reject(change: Change, shortages: tuple[Shortage, ...]) -> Change:
    """The same request, answered with the lines that were short; the stock stays as it is."""
    after = replace(change.after, status=Status.REJECTED, reason=Reason.OUT_OF_STOCK, shortages=shortages)
    return Change(after=after)


def advance(current: Reservation | None, order_id: str, target: Status) -> Change | None:
    """Move an order's reservation on.

    Args:
        current: The order's reservation so far.
        order_id: Whose it is.
        target: COMMITTED (order confirmed), FULFILLED (left the house) or RELEASED (order cancelled).

    Returns:
        The change to make, or None for what the reservation has passed already.

    Raises:
        ContradictionError: For example an order fulfilled whose stock was released.
    """
    status = current.status if current else None
    if target in _PAST.get(status, ()):
        return None
    if target not in _NEXT[status]:
        raise ContradictionError(
            f"order {order_id} is to be {target}, but its reservation is {status or 'unknown'}"
        )
    base = current or Reservation(order_id=order_id, status=target, version=0)
    held = status in (Status.RESERVED, Status.COMMITTED)
    return Change(
        after=replace(base, status=target, version=base.version + 1),
        on_hand=-1 if target is Status.FULFILLED else 0,
        reserved=-1 if held and target in (Status.FULFILLED, Status.RELEASED) else 0,
    )
