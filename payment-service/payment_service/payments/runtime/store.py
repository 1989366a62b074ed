"""Payments in DynamoDB: every write is the next version of what it was decided on, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from service_runtime.dynamodb import Table, refusing_item
from service_runtime.envelope import rfc3339, utc_now
from service_runtime.retries import CONDITION_FAILED, error_codes

from payment_service.payments.runtime.domain import Payment
from payment_service.payments.runtime.sandbox import Account
from payment_service.payments.runtime.settle import StaleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient


class PaymentStore:
    """The payments.

    Args:
        table_name: The service's table.
        client: A DynamoDB client.
        clock: The present moment; tests pass their own.
    """

    def __init__(
        self, *, table_name: str, client: DynamoDBClient, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._table = Table(table_name, client)
        self._client = client
        self._clock = clock

    def read(self, order_id: str) -> Payment | None:
        """Return an order's payment as it is now."""
        item = self._table.get(f"PAYMENT#{order_id}", "PAYMENT")
        return Payment.model_validate(item) if item else None

    def write(self, payment: Payment) -> None:
        """Store the next version.

        Raises:
            StaleError: Somebody else has stored it.
        """
        item: dict[str, Any] = {
            "pk": f"PAYMENT#{payment.order_id}",
            "sk": "PAYMENT",
            **payment.model_dump(by_alias=True, exclude_none=True),
            "updatedAt": rfc3339(self._clock()),
            "causationId": payment.causation_id,
        }
        if payment.request:
            # Beside the request that the rules read: what the API shows.
            item["amount"] = payment.request.amount.model_dump(by_alias=True)
            item["expiresAt"] = rfc3339(payment.request.expires_at)
        try:
            self._client.put_item(**self._table.next_version(item))
        except ClientError as error:
            if not error_codes(error) & CONDITION_FAILED:
                raise
            current = refusing_item(error.response)
            raise StaleError(
                payment.order_id, Payment.model_validate(current) if current else None
            ) from error


class SandboxLedger:
    """The sandbox's accounts, beside the payments: what would be the provider's own database.

    Args:
        table_name: The service's table.
        client: A DynamoDB client.
    """

    def __init__(self, *, table_name: str, client: DynamoDBClient) -> None:
        self._table = Table(table_name, client)
        self._client = client

    def read(self, intent_id: str) -> Account | None:
        """Return an account as it is now."""
        item = self._table.get(f"SANDBOX#{intent_id}", "SANDBOX")
        return Account.model_validate(item) if item else None

    def write(self, account: Account) -> bool:
        """Store the next revision; False when it is stored already."""
        item = {
            "pk": f"SANDBOX#{account.intent_id}",
            "sk": "SANDBOX",
            **account.model_dump(mode="json", by_alias=True),
        }
        try:
            self._client.put_item(**self._table.next_version(item, counter="revision"))
        except ClientError as error:
            if error_codes(error) & CONDITION_FAILED:
                return False
            raise
        return True
