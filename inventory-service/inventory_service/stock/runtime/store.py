"""Reservations and stock in DynamoDB: one conditional transaction per change, so that stock and record never differ.

Items: ``ORDER#<orderId> / RESERVATION`` (kept for good: they outlive every queue and archive),
``STOCK#<sku> / STOCK`` and ``STOCK#<sku> / RECEIPT#<receiptId>``.
"""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from inventory_service.stock.runtime.domain import Line, Reason, Reservation, Shortage, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from inventory_service.stock.runtime.domain import Change

# Two writers met, or AWS is busy: nothing is decided yet. Everything else that AWS refuses is decided.
_PASSING = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionInProgressException",
    }
)
_CONDITION_FAILED = "ConditionalCheckFailed"
_FIRST_BACKOFF_SECONDS = 0.02
_MAX_BACKOFF_SECONDS = 1.0


class ConcurrentChangeError(Exception):
    """Somebody else changed the reservation first: read it again and decide again."""


class OutOfStockError(Exception):
    """At least one line is short, so none was reserved.

    Attributes:
        shortages: each short line with what was left of it.
    """

    def __init__(self, shortages: tuple[Shortage, ...]) -> None:
        self.shortages = shortages
        super().__init__(f"short of {', '.join(shortage.sku for shortage in shortages)}")


class BusyError(Exception):
    """Conflicts and throttling outlasted every attempt; nothing was changed."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What a change goes back to; the change feed puts it into the events.

    Attributes:
        correlation_id: of the conversation.
        causation_id: id of the event or request that is being answered.
        at: when, RFC 3339 UTC.
    """

    correlation_id: str
    causation_id: str
    at: str


class StockStore:
    """Reads and writes the inventory's table.

    Args:
        table_name: the table.
        client: a DynamoDB client.
        attempts: how often a transaction is tried that meets conflicts or throttling (default 8: with full jitter
            up to a second each, under two seconds on average).
        sleep: how to wait between attempts, for tests.
    """

    def __init__(
        self,
        *,
        table_name: str,
        client: DynamoDBClient,
        attempts: int = 8,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table_name = table_name
        self._client = client
        self._attempts = attempts
        self._sleep = sleep

    def reservation(self, order_id: str) -> Reservation | None:
        """The order's reservation as it is now, or None."""
        found = self._client.get_item(
            TableName=self._table_name, Key=_key(f"ORDER#{order_id}", "RESERVATION"), ConsistentRead=True
        ).get("Item")
        return _to_reservation(_plain(found)) if found else None

    def write(self, change: Change, *, cause: Cause) -> None:
        """Make a change and its effect on every line's stock, all or nothing.

        Raises:
            ConcurrentChangeError: the reservation is no longer ``change.before``.
            OutOfStockError: a line to be reserved has too few pieces left.
            BusyError: conflicts or throttling outlasted every attempt.
        """
        lines = change.after.lines if change.on_hand or change.reserved else ()
        reasons = self._transact(
            [
                self._put_reservation(change, cause),
                *(
                    self._update_stock(
                        line.sku,
                        on_hand=change.on_hand * line.quantity,
                        reserved=change.reserved * line.quantity,
                        cause=cause,
                    )
                    for line in lines
                ),
            ]
        )
        if reasons is None:
            return
        if reasons[0]["Code"] == _CONDITION_FAILED:
            raise ConcurrentChangeError(f"the reservation of order {change.after.order_id} has changed")
        raise OutOfStockError(
            tuple(
                Shortage(
                    sku=line.sku,
                    requested=line.quantity,
                    available=int(_plain(reason.get("Item") or {}).get("available", 0)),
                )
                for line, reason in zip(lines, reasons[1:], strict=True)
                if reason["Code"] == _CONDITION_FAILED
            )
        )

    def receive(self, *, sku: str, receipt_id: str, quantity: int, cause: Cause) -> bool:
        """Add a delivery to the stock, once per receipt.

        Returns:
            Whether it was added now; False if the receipt had been counted before.

        Raises:
            BusyError: conflicts or throttling outlasted every attempt.
        """
        receipt = {
            "pk": f"STOCK#{sku}",
            "sk": f"RECEIPT#{receipt_id}",
            "quantity": quantity,
            "createdAt": cause.at,
            "correlationId": cause.correlation_id,
            "causationId": cause.causation_id,
        }
        return (
            self._transact(
                [
                    {
                        "Put": {
                            "TableName": self._table_name,
                            "Item": _typed(receipt),
                            "ConditionExpression": "attribute_not_exists(pk)",
                        }
                    },
                    self._update_stock(sku, on_hand=quantity, reserved=0, cause=cause),
                ]
            )
            is None
        )

    def _put_reservation(self, change: Change, cause: Cause) -> dict[str, Any]:
        after = change.after
        item = {
            "pk": f"ORDER#{after.order_id}",
            "sk": "RESERVATION",
            "orderId": after.order_id,
            "status": after.status.value,
            "version": after.version,
            "items": [asdict(line) for line in after.lines],
            "answered": list(after.answered),
            "updatedAt": cause.at,
            "correlationId": cause.correlation_id,
            "causationId": cause.causation_id,
        }
        if after.reason:
            item |= {"reason": after.reason.value, "shortages": [asdict(short) for short in after.shortages]}
        put: dict[str, Any] = {"TableName": self._table_name, "Item": _typed(item)}
        if change.before is None:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "version = :before"
            put["ExpressionAttributeValues"] = _typed({":before": change.before.version})
        return {"Put": put}

    def _update_stock(self, sku: str, *, on_hand: int, reserved: int, cause: Cause) -> dict[str, Any]:
        available = on_hand - reserved
        values = {
            ":sku": sku,
            ":onHand": on_hand,
            ":reserved": reserved,
            ":available": available,
            ":one": 1,
            ":zero": 0,
            ":at": cause.at,
            ":correlation": cause.correlation_id,
            ":causation": cause.causation_id,
        }
        update: dict[str, Any] = {
            "TableName": self._table_name,
            "Key": _key(f"STOCK#{sku}", "STOCK"),
            "UpdateExpression": (
                "SET sku = :sku, lowThreshold = if_not_exists(lowThreshold, :zero), updatedAt = :at,"
                " createdAt = if_not_exists(createdAt, :at), correlationId = :correlation, causationId = :causation"
                " ADD onHand :onHand, reserved :reserved, available :available, version :one"
            ),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if available < 0:
            update["ConditionExpression"] = "available >= :taken"
            values[":taken"] = -available
        return {"Update": {**update, "ExpressionAttributeValues": _typed(values)}}

    def _transact(self, writes: Sequence[dict[str, Any]]) -> Sequence[Mapping[str, Any]] | None:
        """Run a transaction until it is decided.

        Returns:
            None when it was made, else the cancellation reasons, at least one of them a failed condition.
        """
        for attempt in range(self._attempts):
            if attempt:
                self._sleep(_backoff_seconds(attempt))
            try:
                self._client.transact_write_items(TransactItems=writes)  # type: ignore[arg-type]
            except ClientError as error:
                reasons: Sequence[Mapping[str, Any]] = error.response.get("CancellationReasons", ())
                codes = {reason["Code"] for reason in reasons} or {error.response["Error"]["Code"]}
                if _CONDITION_FAILED in codes:
                    return reasons
                if not codes <= _PASSING | {"None"}:
                    raise
            else:
                return None
        raise BusyError(f"the transaction met conflicts or throttling {self._attempts} times")


def _backoff_seconds(attempt: int) -> float:
    """Full jitter: writers of one hot item that wait equally long meet again."""
    return random.uniform(0, min(_MAX_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2**attempt))  # noqa: S311 - jitter, not a secret


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in values.items()}


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    deserializer = TypeDeserializer()
    return {name: deserializer.deserialize(value) for name, value in item.items()}


def _to_reservation(item: Mapping[str, Any]) -> Reservation:
    return Reservation(
        order_id=item["orderId"],
        status=Status(item["status"]),
        version=int(item["version"]),
        lines=tuple(Line(sku=line["sku"], quantity=int(line["quantity"])) for line in item["items"]),
        answered=tuple(item["answered"]),
        reason=Reason(item["reason"]) if "reason" in item else None,
        shortages=tuple(
            Shortage(sku=short["sku"], requested=int(short["requested"]), available=int(short["available"]))
            for short in item.get("shortages", ())
        ),
    )
