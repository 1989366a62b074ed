"""Every write to a cart: from HTTP or an order's event to the rules and back. Reads never come here."""

from __future__ import annotations

import os
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from service_runtime.clients import client
from service_runtime.consumer import EventConsumer, Message, RetryLater
from service_runtime.envelope import Cause, Event, WireModel, utc_now
from service_runtime.money import Money  # noqa: TC002 - a model's field
from service_runtime.observability import count, logger
from service_runtime.problems import Problem
from service_runtime.rest import claims, request_correlation_id, rest_router
from service_runtime.retries import ContentionError

from cart_service.api.runtime import domain
from cart_service.api.runtime.domain import Cart, CartId, Line, Owner, Quantity, Reason, Rejected, Sku
from cart_service.api.runtime.store import ORDERS_REMEMBERED, CartStore
from cart_service.contracts.consumed import OrderConfirmed

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

CONTENDED_RETRY_SECONDS: Final = 5
MAX_SUB_CHARACTERS: Final = 128
"""Cognito: a sub has at most 128 characters; a DynamoDB key holds them all."""

_STATUS: Final = {
    Reason.NO_SUCH_CART: HTTPStatus.NOT_FOUND,
    Reason.UNKNOWN_PRODUCT: HTTPStatus.NOT_FOUND,
    Reason.PRODUCT_RETIRED: HTTPStatus.CONFLICT,
    Reason.WRONG_CURRENCY: HTTPStatus.CONFLICT,
    Reason.TOO_MANY_LINES: HTTPStatus.CONFLICT,
}


class LineInput(WireModel, extra="forbid"):
    """Body of ``PUT …/items/{sku}``."""

    quantity: Quantity


class MergeInput(WireModel, extra="forbid"):
    """Body of ``POST /me/cart/merge``."""

    cart_id: CartId


class IssuedCart(WireModel):
    """Body of the answer to ``POST /carts``."""

    cart_id: CartId


class CartShown(WireModel):
    """A customer's cart, as the routes that change it show it."""

    cart_id: str
    items: tuple[Line, ...]
    total: Money
    expires_at: domain.Timestamp


_PUT: Final[dict[int, str]] = {
    HTTPStatus.NOT_FOUND: "There is no such cart or product.",
    HTTPStatus.CONFLICT: "The product is not sold any more, or the cart cannot take it.",
}
_MERGED: Final[dict[int, str]] = {
    HTTPStatus.NOT_FOUND: "There is no such cart.",
    HTTPStatus.CONFLICT: "The carts cannot be merged.",
}

app = rest_router()
orders = EventConsumer(business_keys=lambda event: {"orderId": event.data.order_id})
store = CartStore(table_name=os.environ["TABLE_NAME"], client=client("dynamodb"))


def contended(error: ContentionError) -> Problem:
    """Too many writers at once: what this caller asked for is not done, and may be asked for again."""
    logger.warning("cart contended", reason=str(error))
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        detail="The cart is being changed by others. Try again.",
        headers={"Retry-After": "1"},
    )


app.problem_of(ContentionError, contended)


@app.post("/carts", status=HTTPStatus.CREATED)
def issue_cart() -> IssuedCart:
    """Issue an anonymous cart; whoever knows its id may use it."""
    owner = domain.anonymous(domain.new_cart_id())
    store.issue(owner, domain.issue(owner, utc_now()), cause=_cause())
    count("CartsIssued")
    return IssuedCart(cart_id=owner.id)


@app.put("/carts/<cart_id>/items/<sku>", problems=_PUT)
def put_line(cart_id: CartId, sku: Sku, line: LineInput) -> Line:
    """Set how many pieces of a product are in an anonymous cart."""
    return _put_line(domain.anonymous(cart_id), sku, line.quantity)


@app.put("/me/cart/items/<sku>", problems=_PUT)
def put_own_line(sku: Sku, line: LineInput) -> Line:
    """Set how many pieces of a product are in the customer's cart."""
    return _put_line(_customer(), sku, line.quantity)


@app.delete("/carts/<cart_id>/items/<sku>")
def remove_line(cart_id: CartId, sku: Sku) -> None:
    """Take a product out of an anonymous cart."""
    _remove_line(domain.anonymous(cart_id), sku)


@app.delete("/me/cart/items/<sku>")
def remove_own_line(sku: Sku) -> None:
    """Take a product out of the customer's cart."""
    _remove_line(_customer(), sku)


@app.post("/me/cart/merge", problems=_MERGED)
def merge_cart(anonymous: MergeInput) -> CartShown:
    """Move an anonymous cart into the customer's."""
    source, target, now = domain.anonymous(anonymous.cart_id), _customer(), utc_now()
    cart = _accepted(
        store.merge(
            source,
            target,
            lambda theirs, ours: domain.merge(theirs, ours, source, target, now),
            cause=_cause(),
        )
    )
    count("CartsMerged")
    return CartShown(cart_id=target.id, items=cart.lines, total=cart.total, expires_at=cart.expires_at)


@orders.on("OrderConfirmed.v1", data=OrderConfirmed)
def take_out_what_was_bought(event: Event[OrderConfirmed], _message: Message) -> None:
    """Subtract an order from its customer's cart, once; not one so old that it may have been subtracted and forgotten."""
    owner, now = domain.customer(event.data.customer_id), utc_now()
    confirmed_at = datetime.fromisoformat(event.metadata.occurred_at)
    if confirmed_at <= now - ORDERS_REMEMBERED:
        count("OldOrdersIgnored")
        logger.warning("order is older than the memory of orders", occurredAt=event.metadata.occurred_at)
        return
    bought = {line.sku: line.quantity for line in event.data.items}
    try:
        first = store.once_per_order(
            owner,
            event.data.order_id,
            lambda stored: domain.subtract(stored, owner, bought, confirmed_at, now),
            cause=event.cause,
        )
    except ContentionError as error:
        raise RetryLater(CONTENDED_RETRY_SECONDS, str(error)) from error
    logger.info("order subtracted" if first else "order was subtracted before")


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Serve one API Gateway request, or one batch of orders' events."""
    return orders(event, context) if "Records" in event else app(event, context)


def _put_line(owner: Owner, sku: str, quantity: int) -> Line:
    product, now = store.product(sku), utc_now()
    cart = _accepted(
        store.change(
            owner, lambda stored: domain.put_line(stored, owner, product, quantity, now), cause=_cause()
        )
    )
    count("LinesPut")
    return next(line for line in cart.lines if line.sku == sku)


def _remove_line(owner: Owner, sku: str) -> None:
    now = utc_now()
    store.change(owner, lambda stored: domain.remove_line(stored, owner, sku, now), cause=_cause())


def _customer() -> Owner:
    """The caller, by the claims that API Gateway has verified; nothing else says who it is."""
    sub = claims(app.current_event).get("sub") or ""
    if not 1 <= len(sub) <= MAX_SUB_CHARACTERS:
        raise Problem(HTTPStatus.UNAUTHORIZED, detail="A signed-in customer is needed.")
    return domain.customer(sub)


def _cause() -> Cause:
    """What the change can be traced by, from the request to the item."""
    return Cause(
        correlation_id=request_correlation_id(app.current_event),
        causation_id=app.current_event["requestContext"]["requestId"],
    )


def _accepted(decision: Cart | Rejected) -> Cart:
    """The cart that a command led to.

    Raises:
        Problem: It was rejected.
    """
    if isinstance(decision, Rejected):
        lines = [{"sku": sku, "detail": message} for sku, message in decision.lines.items()]
        raise Problem(
            _STATUS[decision.reason], detail=decision.detail, extensions={"lines": lines} if lines else None
        )
    return decision
