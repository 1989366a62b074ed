"""Carts and products in DynamoDB: optimistic locking, so that of two writers none loses anything."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from service_runtime.dynamodb import Table
from service_runtime.envelope import rfc3339, utc_now
from service_runtime.retries import CONDITION_FAILED, CONFLICTS, retry

from cart_service.api.runtime.domain import Cart, Merge, Owner, Product, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import PutTypeDef
    from service_runtime.envelope import Cause

MAX_ATTEMPTS: Final = 10
"""Each attempt that loses means that another writer has won: ten writers at once all get through."""

ORDERS_REMEMBERED: Final = timedelta(days=180)
"""Longer than the bus keeps events for a replay (90 days) and a DLQ its messages (14 days) together."""

DecisionT = TypeVar("DecisionT")


class CartStore:
    """Carts, and the products that they are filled with.

    Args:
        table_name: The service's table.
        client: A DynamoDB client.
        sleep: Waits between attempts; tests pass their own.
    """

    def __init__(
        self, *, table_name: str, client: DynamoDBClient, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._table = Table(table_name, client)
        self._client = client
        self._sleep = sleep

    def product(self, sku: str) -> Product | None:
        """Return a product of the projection, if it is known."""
        item = self._table.get(f"PRODUCT#{sku}", "PRODUCT")
        return Product.model_validate(item) if item else None

    def issue(self, owner: Owner, cart: Cart, *, cause: Cause) -> None:
        """Store a new cart.

        Args:
            owner: Whose it is.
            cart: The cart, with version 1.
            cause: The request.
        """
        self._client.put_item(**self._put(owner, cart, cause))

    def change(self, owner: Owner, decide: Callable[[Cart | None], DecisionT], *, cause: Cause) -> DecisionT:
        """Read a cart, decide, and write the decision unless somebody else has written meanwhile; then again.

        Args:
            owner: Whose cart.
            decide: From the stored cart to the one to store, or to something that is returned without a write.
            cause: The request.

        Raises:
            ContentionError: Others were faster at every attempt.
        """

        def attempt() -> DecisionT:
            decision = decide(self._cart(owner))
            if isinstance(decision, Cart):
                self._client.put_item(**self._put(owner, decision, cause))
            return decision

        return self._until_won(attempt)

    def merge(
        self,
        source: Owner,
        target: Owner,
        decide: Callable[[Cart | None, Cart | None], Merge | Cart | Rejected],
        *,
        cause: Cause,
    ) -> Cart | Rejected:
        """Read two carts, decide, and write both in one transaction; again if either was changed meanwhile.

        Args:
            source: Whose cart is emptied.
            target: Whose cart takes it over.
            decide: From the stored carts to the ones to store, or to something that is returned without a write.
            cause: The request.

        Raises:
            ContentionError: Others were faster at every attempt.
        """

        def attempt() -> Cart | Rejected:
            decision = decide(self._cart(source), self._cart(target))
            if not isinstance(decision, Merge):
                return decision
            self._client.transact_write_items(
                TransactItems=[
                    {"Put": self._put(source, decision.source, cause)},
                    {"Put": self._put(target, decision.target, cause)},
                ]
            )
            return decision.target

        return self._until_won(attempt)

    def once_per_order(
        self,
        owner: Owner,
        order_id: str,
        decide: Callable[[Cart | None], Cart | None],
        *,
        cause: Cause,
    ) -> bool:
        """Change a cart because of an order, and remember the order in the same transaction.

        Args:
            owner: Whose cart.
            order_id: The order.
            decide: From the stored cart to the one to store, None to leave it as it is.
            cause: The event.

        Returns:
            Whether this was the first time.

        Raises:
            ContentionError: Others were faster at every attempt.
        """
        key = {"pk": _pk(owner), "sk": f"ORDER#{order_id}"}
        forgotten_at = int((utc_now() + ORDERS_REMEMBERED).timestamp())
        memory = self._table.creation(
            {**key, **cause.model_dump(by_alias=True), "expiresAtEpoch": forgotten_at}
        )

        def attempt() -> bool:
            if self._table.get(**key):
                return False
            cart = decide(self._cart(owner))
            puts = [memory, *([self._put(owner, cart, cause)] if cart else [])]
            self._client.transact_write_items(TransactItems=[{"Put": put} for put in puts])
            return True

        return self._until_won(attempt)

    def _until_won(self, attempt: Callable[[], DecisionT]) -> DecisionT:
        """Read, decide and write again whenever somebody else has changed or is changing the item."""
        return retry(attempt, on=CONFLICTS | CONDITION_FAILED, attempts=MAX_ATTEMPTS, sleep=self._sleep)

    def _cart(self, owner: Owner) -> Cart | None:
        item = self._table.get(_pk(owner), "CART")
        return Cart.model_validate(item) if item else None

    def _put(self, owner: Owner, cart: Cart, cause: Cause) -> PutTypeDef:
        """Parameters of a put that only follows the version that the decision was made on."""
        return self._table.next_version(
            {
                **cart.model_dump(mode="json", by_alias=True, exclude_none=True),
                **cause.model_dump(by_alias=True),
                "pk": _pk(owner),
                "sk": "CART",
                "cartId": owner.id,
                "total": cart.total.model_dump(by_alias=True),
                "updatedAt": rfc3339(utc_now()),
                "expiresAtEpoch": int(cart.expires_at.timestamp()),
            }
        )


def _pk(owner: Owner) -> str:
    return f"{owner.kind}#{owner.id}"
