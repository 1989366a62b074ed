"""Carts and products in DynamoDB: optimistic locking, so that of two writers none loses anything."""

from __future__ import annotations

import json
import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from service_runtime.envelope import rfc3339, utc_now

from cart_service.api.runtime.domain import Cart, Merge, Owner, Product, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, PutTypeDef

# Each attempt that loses means that another writer has won: ten writers at once all get through.
MAX_ATTEMPTS: Final = 10
_BASE_SECONDS: Final = 0.02
_MAX_BACKOFF_SECONDS: Final = 0.5

# Longer than the bus keeps events for a replay (90 days) and a DLQ its messages (14 days) together.
_ORDERS_REMEMBERED: Final = timedelta(days=180)

# Somebody else changed or is changing the item: read it again and decide anew.
_LOST: Final = frozenset({"ConditionalCheckFailedException", "TransactionConflictException"})
_LOST_REASONS: Final = frozenset({"None", "ConditionalCheckFailed", "TransactionConflict"})


DecisionT = TypeVar("DecisionT")


class ContendedError(Exception):
    """Other writers won every attempt; nothing was changed."""


class CartStore:
    """Carts, and the products that they are filled with.

    Args:
        table_name: the service's table.
        client: a DynamoDB client.
        sleep: waits between attempts; tests pass their own.
    """

    def __init__(
        self, *, table_name: str, client: DynamoDBClient, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._table_name = table_name
        self._client = client
        self._sleep = sleep

    def product(self, sku: str) -> Product | None:
        """Return a product of the projection, if it is known."""
        item = self._get(f"PRODUCT#{sku}", "PRODUCT")
        return Product.model_validate(item) if item else None

    def issue(self, owner: Owner, cart: Cart, *, origin: Mapping[str, str]) -> None:
        """Store a new cart.

        Args:
            owner: whose it is.
            cart: the cart, with version 1.
            origin: ``correlationId`` and ``causationId`` of the request.
        """
        self._client.put_item(**self._put(owner, cart, origin))

    def change(
        self, owner: Owner, decide: Callable[[Cart | None], DecisionT], *, origin: Mapping[str, str]
    ) -> DecisionT:
        """Read a cart, decide, and write the decision unless somebody else has written meanwhile; then again.

        Args:
            owner: whose cart.
            decide: from the stored cart to the one to store, or to something that is returned without a write.
            origin: ``correlationId`` and ``causationId`` of the request.

        Raises:
            ContendedError: others were faster at every attempt.
        """

        def attempt() -> DecisionT:
            decision = decide(self._cart(owner))
            if isinstance(decision, Cart):
                self._client.put_item(**self._put(owner, decision, origin))
            return decision

        return self._until_won(attempt)

    def merge(
        self,
        source: Owner,
        target: Owner,
        decide: Callable[[Cart | None, Cart | None], Merge | Cart | Rejected],
        *,
        origin: Mapping[str, str],
    ) -> Cart | Rejected:
        """Read two carts, decide, and write both in one transaction; again if either was changed meanwhile.

        Args:
            source: whose cart is emptied.
            target: whose cart takes it over.
            decide: from the stored carts to the ones to store, or to something that is returned without a write.
            origin: ``correlationId`` and ``causationId`` of the request.

        Raises:
            ContendedError: others were faster at every attempt.
        """

        def attempt() -> Cart | Rejected:
            decision = decide(self._cart(source), self._cart(target))
            if not isinstance(decision, Merge):
                return decision
            self._client.transact_write_items(
                TransactItems=[
                    {"Put": self._put(source, decision.source, origin)},
                    {"Put": self._put(target, decision.target, origin)},
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
        origin: Mapping[str, str],
    ) -> bool:
        """Change a cart because of an order, and remember the order in the same transaction.

        Args:
            owner: whose cart.
            order_id: the order.
            decide: from the stored cart to the one to store, None to leave it as it is.
            origin: ``correlationId`` and ``causationId`` of the event.

        Returns:
            Whether this was the first time.

        Raises:
            ContendedError: others were faster at every attempt.
        """
        key = {"pk": _pk(owner), "sk": f"ORDER#{order_id}"}
        forgotten_at = int((utc_now() + _ORDERS_REMEMBERED).timestamp())
        memory: PutTypeDef = {
            "TableName": self._table_name,
            "Item": _attributes({**key, **origin, "expiresAtEpoch": forgotten_at}),
            "ConditionExpression": "attribute_not_exists(pk)",
        }

        def attempt() -> bool:
            if self._get(**key):
                return False
            cart = decide(self._cart(owner))
            puts = [memory, *([self._put(owner, cart, origin)] if cart else [])]
            self._client.transact_write_items(TransactItems=[{"Put": put} for put in puts])
            return True

        return self._until_won(attempt)

    def _until_won(self, attempt: Callable[[], DecisionT]) -> DecisionT:
        for number in range(MAX_ATTEMPTS):
            try:
                return attempt()
            except ClientError as error:
                if not _lost(error):
                    raise
            # Full jitter: writers that collided do not collide again in step.
            ceiling = min(_MAX_BACKOFF_SECONDS, _BASE_SECONDS * 2**number)
            self._sleep(random.uniform(0, ceiling))  # noqa: S311 - spreads load, protects no secret
        raise ContendedError(f"other writers were faster at each of {MAX_ATTEMPTS} attempts")

    def _cart(self, owner: Owner) -> Cart | None:
        item = self._get(_pk(owner), "CART")
        return Cart.model_validate(item) if item else None

    def _get(self, pk: str, sk: str) -> dict[str, Any] | None:
        answer = self._client.get_item(
            TableName=self._table_name, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
        )
        return _plain(answer["Item"]) if "Item" in answer else None

    def _put(self, owner: Owner, cart: Cart, origin: Mapping[str, str]) -> PutTypeDef:
        """Parameters of a put that only follows the version that the decision was made on."""
        item: dict[str, Any] = {
            **cart.model_dump(mode="json", by_alias=True, exclude_none=True),
            **origin,
            "pk": _pk(owner),
            "sk": "CART",
            "cartId": owner.id,
            "total": cart.total.model_dump(by_alias=True),
            "updatedAt": rfc3339(utc_now()),
            "expiresAtEpoch": int(cart.expires_at.timestamp()),
        }
        put: PutTypeDef = {
            "TableName": self._table_name,
            "Item": _attributes(item),
        }
        if cart.version == 1:
            return {**put, "ConditionExpression": "attribute_not_exists(pk)"}
        return {
            **put,
            "ConditionExpression": "#version = :decided_on",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":decided_on": {"N": str(cart.version - 1)}},
        }


def _pk(owner: Owner) -> str:
    return f"{owner.kind}#{owner.id}"


def _attributes(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: TypeSerializer().serialize(value) for name, value in item.items()}


def _plain(item: Mapping[str, AttributeValueTypeDef]) -> Any:
    """An item as JSON has it; every number that this service stores is whole."""
    attributes = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
    return json.loads(json.dumps(attributes, default=int))


def _lost(error: ClientError) -> bool:
    if error.response["Error"]["Code"] != "TransactionCanceledException":
        return error.response["Error"]["Code"] in _LOST
    reasons = error.response.get("CancellationReasons", [])
    return all(reason.get("Code", "None") in _LOST_REASONS for reason in reasons)
