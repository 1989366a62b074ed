"""Consumes the inventory's queue: what orders ask for and tell, and deliveries from the API."""

from __future__ import annotations

import os
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, ValidationError
from service_runtime.consumer import EventConsumer, Message, MessageConsumer, PoisonMessage
from service_runtime.dynamodb import quick_client
from service_runtime.envelope import Cause, Event, WireModel, correlation_id_or_new, utc_now
from service_runtime.observability import business_context, count, logger

from inventory_service.contracts.consumed import OrderProgressed, StockReservationRequested
from inventory_service.stock.runtime import domain
from inventory_service.stock.runtime.domain import ContradictionError, Line, Request, Status
from inventory_service.stock.runtime.settle import commit, settle
from inventory_service.stock.runtime.store import StockStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_service.stock.runtime.domain import Reservation

orders = EventConsumer(business_keys=lambda event: {"orderId": event.data.order_id})


class Receipt(WireModel):
    """A delivery, as the API put it on the queue."""

    sku: Annotated[str, Field(min_length=1, max_length=64)]
    receipt_id: Annotated[str, Field(min_length=1, max_length=64)]
    quantity: Annotated[int, Field(ge=1)]


@orders.on("StockReservationRequested.v1", data=StockReservationRequested)
def reserve_stock(event: Event[StockReservationRequested], _: Message) -> None:
    """Answer a request by reserving every line or none; the change feed says so to the order."""
    request = Request(
        request_id=event.metadata.event_id,
        order_id=event.data.order_id,
        lines=tuple(Line(sku=line.sku, quantity=line.quantity) for line in event.data.items),
        expires_at=event.data.expires_at,
    )
    _change(
        lambda store: settle(
            store, lambda reservation: domain.reserve(reservation, request, now=utc_now()), cause=event.cause
        )
    )


@orders.on("OrderConfirmed.v1", data=OrderProgressed)
def commit_stock(event: Event[OrderProgressed], _: Message) -> None:
    """The order is paid: what is reserved for it will leave the house."""
    _change(lambda store: commit(store, event.data.order_id, cause=event.cause))


@orders.on("OrderFulfilled.v1", data=OrderProgressed)
def ship_stock(event: Event[OrderProgressed], _: Message) -> None:
    """The goods have left the house."""
    _advance(event, Status.FULFILLED)


@orders.on("OrderCancelled.v1", data=OrderProgressed)
def release_stock(event: Event[OrderProgressed], _: Message) -> None:
    """Give back what is reserved; if nothing is yet, see to it that nothing ever will be."""
    _advance(event, Status.RELEASED)


def receive_stock(message: Message) -> None:
    """Add a delivery to the stock, once per receipt."""
    try:
        receipt = Receipt.model_validate_json(message.body)
    except ValidationError as error:
        raise PoisonMessage(f"not a receipt: {error}") from error
    correlation_id = correlation_id_or_new(message.attributes.get("correlationId"))
    cause = Cause(correlation_id=correlation_id, causation_id=message.message_id)
    with business_context(correlation_id=correlation_id, sku=receipt.sku, receiptId=receipt.receipt_id):
        added = _store().receive(
            sku=receipt.sku, receipt_id=receipt.receipt_id, quantity=receipt.quantity, cause=cause
        )
        logger.info("receipt counted" if added else "receipt was counted before", quantity=receipt.quantity)
        if added:
            count("PiecesReceived", receipt.quantity)


def keep_stock(message: Message) -> None:
    """Route a message: events come from the bus, everything else from the API."""
    if "receiptId" in message.attributes:
        receive_stock(message)
    else:
        orders.handle(message)


def _advance(event: Event[OrderProgressed], target: Status) -> None:
    order_id = event.data.order_id
    _change(
        # What stock it moves depends on the reservation's lines.
        lambda store: settle(
            store,
            partial(domain.advance, order_id=order_id, target=target),
            cause=event.cause,
            known=store.reservation(order_id),
        )
    )


def _change(change: Callable[[StockStore], Reservation | None]) -> None:
    try:
        reservation = change(_store())
    except ContradictionError as contradiction:
        raise PoisonMessage(str(contradiction)) from contradiction
    if reservation is None:
        logger.info("late or repeated, nothing to do")
    else:
        logger.info("reservation changed", status=reservation.status, version=reservation.version)
        count(f"Reservations{reservation.status.capitalize()}")


@cache
def _store() -> StockStore:
    return StockStore(table_name=os.environ["STOCK_TABLE"], client=quick_client())


handler = MessageConsumer(keep_stock)
