"""The parts of both functions, put together from the environment once per execution environment."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Final

from service_runtime.clients import client
from service_runtime.dynamodb import quick_client
from service_runtime.observability import count, logger

from payment_service.payments.runtime.credentials import Credentials
from payment_service.payments.runtime.provider import CircuitBreaker
from payment_service.payments.runtime.sandbox import SandboxProvider
from payment_service.payments.runtime.settle import Settlement
from payment_service.payments.runtime.store import PaymentStore, SandboxLedger

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from payment_service.payments.runtime.domain import Payment
    from payment_service.payments.runtime.provider import PaymentProvider


@cache
def settlement() -> Settlement:
    """The settlement of this function, with the provider that the stage uses."""
    name = os.environ["PAYMENT_PROVIDER"]
    if name not in _PROVIDERS:
        raise ValueError(f"PAYMENT_PROVIDER must be one of {', '.join(sorted(_PROVIDERS))}, got {name!r}")
    store = PaymentStore(table_name=os.environ["PAYMENTS_TABLE"], client=_dynamodb())
    return Settlement(store=store, provider=CircuitBreaker(_PROVIDERS[name]()), on_settled=_tell)


@cache
def credentials() -> Credentials:
    """The provider's credentials."""
    return Credentials(os.environ["PROVIDER_SECRET"], client=client("secretsmanager"))


@cache
def _dynamodb() -> DynamoDBClient:
    return quick_client()


def _tell(payment: Payment) -> None:
    logger.info("payment settled", status=payment.status, reason=payment.reason, version=payment.version)
    count(f"Payments{payment.status.capitalize()}")


def _sandbox() -> PaymentProvider:
    ledger = SandboxLedger(table_name=os.environ["PAYMENTS_TABLE"], client=_dynamodb())
    return SandboxProvider(ledger)


def _stripe() -> PaymentProvider:
    # Loading the library takes longer than the rest of a cold start: only where it is used.
    from payment_service.payments.runtime.stripe_provider import StripeProvider  # noqa: PLC0415

    return StripeProvider(api_key=credentials().api_key)


_PROVIDERS: Final[dict[str, Callable[[], PaymentProvider]]] = {"sandbox": _sandbox, "stripe": _stripe}
