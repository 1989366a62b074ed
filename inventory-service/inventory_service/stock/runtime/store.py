"""Reservations and stock in DynamoDB: one conditional transaction per change, so that stock and record never differ.

Items: `ORDER#<orderId> / RESERVATION` (kept for good: they outlive every queue and archive),
`STOCK#<sku> / STOCK` and `STOCK#<sku> / RECEIPT#<receiptId>`.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, overload

from botocore.exceptions import ClientError
from service_runtime.dynamodb import Table, from_attributes, refusing_item, to_attributes
from service_runtime.envelope import rfc3339, utc_now
from service_runtime.retries import CONDITION_FAILED, CONFLICTS, THROTTLED, error_codes, retry

from inventory_service.stock.runtime.domain import Line, Reason, Reservation, Shortage, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef, UpdateTypeDef
    from service_runtime.envelope import Cause

    from inventory_service.stock.runtime.domain import Change

# Two writers met, or AWS is busy: nothing is decided yet. Everything else that AWS refuses is decided.
_UNDECIDED = CONFLICTS | THROTTLED | {"InternalServerError"}


class ConcurrentChangeError(Exception):
    """The reservation is not what the write was decided on: decide again.

    Attributes:
        current: The reservation as it is, or None.
    """

    def __init__(self, order_id: str, current: Reservation | None) -> None:
        self.current = current
        super().__init__(f"the reservation of order {order_id} is {current.status if current else 'unknown'}")


class OutOfStockError(Exception):
    """At least one line is short, so none was reserved.

    Attributes:
        shortages: Each short line with what was left of it.
    """

    def __init__(self, shortages: tuple[Shortage, ...]) -> None:
        self.shortages = shortages
        super().__init__(f"short of {', '.join(shortage.sku for shortage in shortages)}")


class StockStore:
    """Reads and writes the inventory's table.

    Args:
        table_name: The table.
        client: A DynamoDB client.
        attempts: How often a transaction is tried that meets conflicts or throttling (default 6: with full jitter
            up to 0.6 seconds together, 0.3 on average; the queue's backoff follows).
        sleep: How to wait between attempts, for tests.
    """

    def __init__(
        self,
        *,
        table_name: str,
        client: DynamoDBClient,
        attempts: int = 6,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = Table(table_name, client)
        self._client = client
        self._attempts = attempts
        self._sleep = sleep

    def reservation(self, order_id: str) -> Reservation | None:
        """The order's reservation as it is now, or None."""
        return _to_reservation(self._table.get(f"ORDER#{order_id}", "RESERVATION"))

    def commit(self, order_id: str, *, cause: Cause) -> Reservation:
        """Move a reservation from RESERVED to COMMITTED: nothing else of it needs to be known, and no stock moves.

        Returns:
            The reservation as changed.

        Raises:
            ConcurrentChangeError: The reservation is not RESERVED.
            ContentionError: Conflicts or throttling outlasted every attempt.
        """
        values = {
            ":reserved": Status.RESERVED.value,
            ":committed": Status.COMMITTED.value,
            ":one": 1,
            ":at": rfc3339(utc_now()),
            ":correlation": cause.correlation_id,
            ":causation": cause.causation_id,
        }

        def attempt() -> Reservation:
            try:
                answer = self._client.update_item(
                    TableName=self._table.name,
                    Key=to_attributes({"pk": f"ORDER#{order_id}", "sk": "RESERVATION"}),
                    ConditionExpression="#status = :reserved",
                    UpdateExpression=(
                        "SET #status = :committed, updatedAt = :at, correlationId = :correlation,"
                        " causationId = :causation ADD version :one"
                    ),
                    ExpressionAttributeNames={"#status": "status"},
                    ExpressionAttributeValues=to_attributes(values),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if not error_codes(error) & CONDITION_FAILED:
                    raise
                raise ConcurrentChangeError(
                    order_id, _to_reservation(refusing_item(error.response))
                ) from error
            return _to_reservation(from_attributes(answer["Attributes"]))

        return retry(attempt, on=_UNDECIDED, attempts=self._attempts, sleep=self._sleep)

    def write(self, change: Change, *, cause: Cause) -> None:
        """Make a change and its effect on every line's stock, all or nothing.

        Raises:
            ConcurrentChangeError: The reservation is not at the version before `change.after`.
            OutOfStockError: A line to be reserved has too few pieces left.
            ContentionError: Conflicts or throttling outlasted every attempt.
        """
        at = rfc3339(utc_now())
        lines = change.after.lines if change.on_hand or change.reserved else ()
        reasons = self._transact(
            [
                self._put_reservation(change, cause, at),
                *(
                    self._update_stock(
                        line.sku,
                        on_hand=change.on_hand * line.quantity,
                        reserved=change.reserved * line.quantity,
                        cause=cause,
                        at=at,
                    )
                    for line in lines
                ),
            ]
        )
        if reasons is None:
            return
        if reasons[0]["Code"] in CONDITION_FAILED:
            raise ConcurrentChangeError(change.after.order_id, _to_reservation(refusing_item(reasons[0])))
        raise OutOfStockError(
            tuple(
                Shortage(
                    sku=line.sku,
                    requested=line.quantity,
                    available=(refusing_item(reason) or {}).get("available", 0),
                )
                for line, reason in zip(lines, reasons[1:], strict=True)
                if reason["Code"] in CONDITION_FAILED
            )
        )

    def receive(self, *, sku: str, receipt_id: str, quantity: int, cause: Cause) -> bool:
        """Add a delivery to the stock, once per receipt.

        Returns:
            Whether it was added now; False if the receipt had been counted before.

        Raises:
            ContentionError: Conflicts or throttling outlasted every attempt.
        """
        at = rfc3339(utc_now())
        receipt = {
            "pk": f"STOCK#{sku}",
            "sk": f"RECEIPT#{receipt_id}",
            "quantity": quantity,
            "createdAt": at,
            **cause.model_dump(by_alias=True),
        }
        counted = self._update_stock(sku, on_hand=quantity, reserved=0, cause=cause, at=at)
        return self._transact([{"Put": self._table.creation(receipt)}, counted]) is None

    def _put_reservation(self, change: Change, cause: Cause, at: str) -> TransactWriteItemTypeDef:
        after = change.after
        item = {
            "pk": f"ORDER#{after.order_id}",
            "sk": "RESERVATION",
            "orderId": after.order_id,
            "status": after.status.value,
            "version": after.version,
            "items": [asdict(line) for line in after.lines],
            "answered": list(after.answered),
            "updatedAt": at,
            **cause.model_dump(by_alias=True),
        }
        if after.reason:
            item |= {"reason": after.reason.value, "shortages": [asdict(short) for short in after.shortages]}
        return {"Put": self._table.next_version(item)}

    def _update_stock(
        self, sku: str, *, on_hand: int, reserved: int, cause: Cause, at: str
    ) -> TransactWriteItemTypeDef:
        available = on_hand - reserved
        values = {
            ":sku": sku,
            ":onHand": on_hand,
            ":reserved": reserved,
            ":available": available,
            ":one": 1,
            ":zero": 0,
            ":at": at,
            ":correlation": cause.correlation_id,
            ":causation": cause.causation_id,
        }
        if available < 0:
            values[":taken"] = -available
        update: UpdateTypeDef = {
            "TableName": self._table.name,
            "Key": to_attributes({"pk": f"STOCK#{sku}", "sk": "STOCK"}),
            "UpdateExpression": (
                "SET sku = :sku, lowThreshold = if_not_exists(lowThreshold, :zero), updatedAt = :at,"
                " createdAt = if_not_exists(createdAt, :at), correlationId = :correlation, causationId = :causation"
                " ADD onHand :onHand, reserved :reserved, available :available, version :one"
            ),
            "ExpressionAttributeValues": to_attributes(values),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if available < 0:
            update["ConditionExpression"] = "available >= :taken"
        return {"Update": update}

    def _transact(self, writes: Sequence[TransactWriteItemTypeDef]) -> Sequence[Mapping[str, Any]] | None:
        """Run a transaction until it is decided.

        Returns:
            None when it was made, else the cancellation reasons, at least one of them a failed condition.
        """

        def attempt() -> Sequence[Mapping[str, Any]] | None:
            try:
                self._client.transact_write_items(TransactItems=writes)
            except ClientError as error:
                if not error_codes(error) & CONDITION_FAILED:
                    raise
                reasons: Sequence[Mapping[str, Any]] = error.response["CancellationReasons"]
                return reasons
            return None

        return retry(attempt, on=_UNDECIDED, attempts=self._attempts, sleep=self._sleep)


@overload
def _to_reservation(item: None) -> None: ...
@overload
def _to_reservation(item: Mapping[str, Any]) -> Reservation: ...
def _to_reservation(item: Mapping[str, Any] | None) -> Reservation | None:
    if item is None:
        return None
    return Reservation(
        order_id=item["orderId"],
        status=Status(item["status"]),
        version=item["version"],
        lines=tuple(Line(**line) for line in item["items"]),
        answered=tuple(item["answered"]),
        reason=Reason(item["reason"]) if "reason" in item else None,
        shortages=tuple(Shortage(**short) for short in item.get("shortages", ())),
    )
