"""The rules of shopping carts: pure functions on frozen models; no AWS import reaches this module."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, PlainSerializer
from service_runtime.envelope import WireModel, rfc3339
from service_runtime.money import Money

if TYPE_CHECKING:
    from collections.abc import Mapping

CURRENCY: Final = "EUR"
MAX_LINES: Final = 50
MAX_QUANTITY: Final = 99

# Nothing in these alphabets needs escaping anywhere.
CartId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Sku = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,64}$")]
Timestamp = Annotated[datetime, PlainSerializer(rfc3339)]
Quantity = Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY)]


class OwnerKind(StrEnum):
    """Who can have a cart; the value is the prefix of its key, so that no id of one kind reaches the other's."""

    ANONYMOUS = "ANON"
    CUSTOMER = "CUST"


_LIFETIMES: Final = {OwnerKind.ANONYMOUS: timedelta(days=7), OwnerKind.CUSTOMER: timedelta(days=90)}


@dataclass(frozen=True)
class Owner:
    """Whose cart it is.

    Attributes:
        kind: Anonymous or customer.
        id: The issued cart id, or the customer's verified `sub`.
    """

    kind: OwnerKind
    id: str

    @property
    def lifetime(self) -> timedelta:
        """For how long a cart lives after its last change."""
        return _LIFETIMES[self.kind]


def anonymous(cart_id: str) -> Owner:
    """Return whoever knows the id of an issued cart."""
    return Owner(OwnerKind.ANONYMOUS, cart_id)


def customer(sub: str) -> Owner:
    """Return a signed-in customer, by the verified `sub`."""
    return Owner(OwnerKind.CUSTOMER, sub)


class ProductStatus(StrEnum):
    """Whether a product can be bought."""

    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


class Product(WireModel):
    """A product as this service's projection knows it."""

    sku: str
    name: str
    price: Money
    status: ProductStatus


class Line(WireModel):
    """Some pieces of one product, with name and price as of ``priced_at``; the order prices anew."""

    sku: str
    name: str
    quantity: Quantity
    unit_price: Money
    line_total: Money
    priced_at: Timestamp

    def with_quantity(self, quantity: int) -> Line:
        """Return the line with another quantity, at the same price."""
        return self.model_copy(update={"quantity": quantity, "line_total": self.unit_price * quantity})


class Cart(WireModel):
    """A cart as stored.

    Attributes:
        lines: one per sku, in the order they were put.
        version: of the stored item; 0 for a cart that has never been stored.
        merged_into: the customer whose cart has taken these lines over. Such a cart is a tombstone.
    """

    lines: tuple[Line, ...] = ()
    version: int = 0
    created_at: Timestamp
    expires_at: Timestamp
    merged_into: str | None = None

    @property
    def total(self) -> Money:
        """What all lines cost together."""
        return Money.total((line.line_total for line in self.lines), currency=CURRENCY)

    def line(self, sku: str) -> Line | None:
        """Return the line of a sku, if there is one."""
        return next((line for line in self.lines if line.sku == sku), None)

    def is_expired(self, now: datetime) -> bool:
        """Whether nobody has changed it for its whole lifetime."""
        return self.expires_at <= now


class Reason(StrEnum):
    """Why a command was rejected."""

    NO_SUCH_CART = "NO_SUCH_CART"
    UNKNOWN_PRODUCT = "UNKNOWN_PRODUCT"
    PRODUCT_RETIRED = "PRODUCT_RETIRED"
    WRONG_CURRENCY = "WRONG_CURRENCY"
    TOO_MANY_LINES = "TOO_MANY_LINES"


@dataclass(frozen=True)
class Rejected:
    """A command that changes nothing.

    Attributes:
        reason: Why, for code.
        detail: Why and what to do about it, for the caller.
        lines: By sku, what is wrong with a single line.
    """

    reason: Reason
    detail: str
    lines: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Merge:
    """The outcome of a merge: both carts change, or neither.

    Attributes:
        source: The anonymous cart, now a tombstone.
        target: The customer's cart.
    """

    source: Cart
    target: Cart


def new_cart_id() -> str:
    """Return an unguessable id: 192 random bits, URL-safe, 32 characters."""
    return secrets.token_urlsafe(24)


def issue(owner: Owner, now: datetime) -> Cart:
    """Return a new, empty cart, to be stored."""
    return Cart(version=1, created_at=now, expires_at=_expiry(owner, now))


def put_line(
    stored: Cart | None, owner: Owner, product: Product | None, quantity: int, now: datetime
) -> Cart | Rejected:
    """Set how many pieces of a product are in a cart, at today's name and price.

    Args:
        stored: The cart, if there is one.
        owner: Whose it is.
        product: The product, if it is known.
        quantity: Pieces, 1 to 99; replaces what was there.
        now: The present moment.
    """
    cart = _open(stored, owner, now)
    if isinstance(cart, Rejected):
        return cart
    if product is None:
        return Rejected(Reason.UNKNOWN_PRODUCT, "There is no product with this sku.")
    if product.status is ProductStatus.RETIRED:
        return Rejected(Reason.PRODUCT_RETIRED, f"{product.sku} is no longer on sale.")
    if product.price.currency != CURRENCY:
        return Rejected(
            Reason.WRONG_CURRENCY,
            f"{product.sku} is priced in {product.price.currency}; carts hold {CURRENCY} only.",
        )
    line = Line(
        sku=product.sku,
        name=product.name,
        quantity=quantity,
        unit_price=product.price,
        line_total=product.price * quantity,
        priced_at=now,
    )
    if cart.line(line.sku):
        lines = tuple(line if each.sku == line.sku else each for each in cart.lines)
    elif len(cart.lines) < MAX_LINES:
        lines = (*cart.lines, line)
    else:
        return Rejected(
            Reason.TOO_MANY_LINES,
            f"A cart holds at most {MAX_LINES} different products. Remove one first.",
            {line.sku: "does not fit"},
        )
    return _changed(cart, owner, lines, now)


def remove_line(stored: Cart | None, owner: Owner, sku: str, now: datetime) -> Cart | None:
    """Return the cart without a product, or nothing when the product is not in it."""
    cart = _open(stored, owner, now)
    if isinstance(cart, Rejected) or cart.line(sku) is None:
        return None
    return _changed(cart, owner, tuple(line for line in cart.lines if line.sku != sku), now)


def merge(
    source: Cart | None, target: Cart | None, source_owner: Owner, target_owner: Owner, now: datetime
) -> Merge | Cart | Rejected:
    """Move an anonymous cart into a customer's.

    Quantities of the same product add up, to 99 at most; of name and price, the later ones apply.

    Args:
        source: The anonymous cart, if there is one.
        target: The customer's cart, if there is one.
        source_owner: Whose the anonymous cart is.
        target_owner: The customer.
        now: The present moment.

    Returns:
        Both carts to store; or the customer's cart as it is, when this merge has already happened; or why not.
    """
    into = _customers(target, target_owner, now)
    if source is not None and source.merged_into == target_owner.id:
        return into
    moved = _open(source, source_owner, now)
    if isinstance(moved, Rejected):
        return moved
    kept = {line.sku: line for line in into.lines}
    for line in moved.lines:
        kept[line.sku] = _combined(kept[line.sku], line) if line.sku in kept else line
    if len(kept) > MAX_LINES:
        return Rejected(
            Reason.TOO_MANY_LINES,
            f"Together the carts hold {len(kept)} different products, {MAX_LINES} are allowed. "
            f"Nothing was moved: remove {len(kept) - MAX_LINES} first.",
            dict.fromkeys(list(kept)[MAX_LINES:], "does not fit"),
        )
    tombstone = _changed(moved, source_owner, (), now).model_copy(update={"merged_into": target_owner.id})
    return Merge(source=tombstone, target=_changed(into, target_owner, tuple(kept.values()), now))


def subtract(
    stored: Cart | None, owner: Owner, bought: Mapping[str, int], confirmed_at: datetime, now: datetime
) -> Cart | None:
    """Return the cart without what its customer has bought, or nothing when nothing of that is in it.

    A line that was put in later is meant for the next order and stays as it is.

    Args:
        stored: The cart, if there is one.
        owner: The customer.
        bought: Pieces by sku; what is left over of a line stays.
        confirmed_at: When the order was confirmed.
        now: The present moment.
    """
    cart = _live(stored, now)
    if cart is None:
        return None
    ordered = {line.sku for line in cart.lines if line.sku in bought and line.priced_at <= confirmed_at}
    if not ordered:
        return None
    left = [(line, line.quantity - (bought[line.sku] if line.sku in ordered else 0)) for line in cart.lines]
    lines = tuple(line.with_quantity(quantity) for line, quantity in left if quantity > 0)
    return _changed(cart, owner, lines, now)


def _open(stored: Cart | None, owner: Owner, now: datetime) -> Cart | Rejected:
    """Return the cart to change: a customer always has one, an anonymous one must have been issued and live."""
    if owner.kind is OwnerKind.CUSTOMER:
        return _customers(stored, owner, now)
    return _live(stored, now) or Rejected(
        Reason.NO_SUCH_CART, "There is no such cart: it was never issued, has expired or was merged."
    )


def _customers(stored: Cart | None, owner: Owner, now: datetime) -> Cart:
    # A new cart in place of an expired item goes on with its version, so that the optimistic lock holds.
    version = stored.version if stored else 0
    return _live(stored, now) or Cart(version=version, created_at=now, expires_at=_expiry(owner, now))


def _live(stored: Cart | None, now: datetime) -> Cart | None:
    usable = stored and not stored.merged_into and not stored.is_expired(now)
    return stored if usable else None


def _combined(ours: Line, theirs: Line) -> Line:
    latest = max(ours, theirs, key=lambda line: line.priced_at)
    return latest.with_quantity(min(ours.quantity + theirs.quantity, MAX_QUANTITY))


def _changed(cart: Cart, owner: Owner, lines: tuple[Line, ...], now: datetime) -> Cart:
    return cart.model_copy(
        update={"lines": lines, "version": cart.version + 1, "expires_at": _expiry(owner, now)}
    )


def _expiry(owner: Owner, now: datetime) -> datetime:
    # Whole seconds: readers compare with the time-to-live attribute, which has no fractions.
    return now.replace(microsecond=0) + owner.lifetime
