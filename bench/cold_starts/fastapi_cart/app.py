"""The cart's routes on FastAPI, Mangum and boto3, around the same rules and the same store."""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import Annotated, Any

import boto3
from cart_service.api.runtime import domain
from cart_service.api.runtime.domain import Cart, Owner, Quantity, Rejected
from cart_service.api.runtime.store import CartStore
from fastapi import FastAPI, HTTPException, Path, Request
from mangum import Mangum
from pydantic import Field
from service_runtime.envelope import Cause, WireModel, utc_now
from service_runtime.money import Money  # noqa: TC002 - a model's field

CartId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
CartIdInPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
SkuInPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9._~-]{1,64}$")]


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
    items: tuple[domain.Line, ...]
    total: Money
    expires_at: domain.Timestamp


app = FastAPI()
store = CartStore(table_name=os.environ["TABLE_NAME"], client=boto3.client("dynamodb"))


def issue_cart(request: Request) -> IssuedCart:
    """Issue an anonymous cart."""
    owner = domain.anonymous(domain.new_cart_id())
    store.issue(owner, domain.issue(owner, utc_now()), cause=_cause(request))
    return IssuedCart(cart_id=owner.id)


def put_line(cart_id: CartIdInPath, sku: SkuInPath, line: LineInput, request: Request) -> domain.Line:
    """Set how many pieces of a product are in an anonymous cart."""
    return _put_line(domain.anonymous(cart_id), sku, line.quantity, request)


def put_own_line(sku: SkuInPath, line: LineInput, request: Request) -> domain.Line:
    """Set how many pieces of a product are in the customer's cart."""
    return _put_line(_customer(request), sku, line.quantity, request)


def remove_line(cart_id: CartIdInPath, sku: SkuInPath, request: Request) -> None:
    """Take a product out of an anonymous cart."""
    _remove_line(domain.anonymous(cart_id), sku, request)


def remove_own_line(sku: SkuInPath, request: Request) -> None:
    """Take a product out of the customer's cart."""
    _remove_line(_customer(request), sku, request)


def merge_cart(anonymous: MergeInput, request: Request) -> CartShown:
    """Move an anonymous cart into the customer's."""
    source, target, now = domain.anonymous(anonymous.cart_id), _customer(request), utc_now()
    cart = _accepted(
        store.merge(
            source,
            target,
            lambda theirs, ours: domain.merge(theirs, ours, source, target, now),
            cause=_cause(request),
        )
    )
    return CartShown(cart_id=target.id, items=cart.lines, total=cart.total, expires_at=cart.expires_at)


def _put_line(owner: Owner, sku: str, quantity: int, request: Request) -> domain.Line:
    product, now = store.product(sku), utc_now()
    cart = _accepted(
        store.change(
            owner,
            lambda stored: domain.put_line(stored, owner, product, quantity, now),
            cause=_cause(request),
        )
    )
    return next(line for line in cart.lines if line.sku == sku)


def _remove_line(owner: Owner, sku: str, request: Request) -> None:
    now = utc_now()
    store.change(owner, lambda stored: domain.remove_line(stored, owner, sku, now), cause=_cause(request))


def _gateway(request: Request) -> dict[str, Any]:
    context: dict[str, Any] = request.scope["aws.event"]["requestContext"]
    return context


def _customer(request: Request) -> Owner:
    claims = (_gateway(request).get("authorizer") or {}).get("claims") or {}
    if not claims.get("sub"):
        raise HTTPException(HTTPStatus.UNAUTHORIZED)
    return domain.customer(claims["sub"])


def _cause(request: Request) -> Cause:
    request_id = _gateway(request)["requestId"]
    return Cause(correlation_id=request_id, causation_id=request_id)


def _accepted(decision: Cart | Rejected) -> Cart:
    if isinstance(decision, Rejected):
        raise HTTPException(HTTPStatus.CONFLICT, decision.detail)
    return decision


app.add_api_route("/carts", issue_cart, methods=["POST"], status_code=HTTPStatus.CREATED)
app.add_api_route("/carts/{cart_id}/items/{sku}", put_line, methods=["PUT"])
app.add_api_route("/me/cart/items/{sku}", put_own_line, methods=["PUT"])
app.add_api_route(
    "/carts/{cart_id}/items/{sku}", remove_line, methods=["DELETE"], status_code=HTTPStatus.NO_CONTENT
)
app.add_api_route(
    "/me/cart/items/{sku}", remove_own_line, methods=["DELETE"], status_code=HTTPStatus.NO_CONTENT
)
app.add_api_route("/me/cart/merge", merge_cart, methods=["POST"])

handler = Mangum(app, lifespan="off")
