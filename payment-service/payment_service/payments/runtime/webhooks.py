"""Consumes what the provider tells by webhook: a reason to look, never a truth by itself."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from service_runtime.consumer import Message, MessageConsumer, PoisonMessage
from service_runtime.envelope import correlation_id_or_new
from service_runtime.observability import business_context, count, logger

from payment_service.payments.runtime.orders import until_definite
from payment_service.payments.runtime.wiring import credentials, settlement

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGNATURE_ATTRIBUTE: Final = "signature"
RECEIVED_ATTRIBUTE: Final = "receivedAt"
TOLERANCE_SECONDS: Final = 300
"""Stripe's own default. Measured when API Gateway received the call: how long it waits in the queue is our business."""

_SECONDS: Final = re.compile(r"[0-9]{1,12}")


def look_again(message: Message) -> None:
    """Drive the payment on that a genuine webhook is about; drop and count a forged one.

    Raises:
        PoisonMessage: The provider's own signature is on something that is not JSON.
        RetryLater: The payment has no definite outcome yet.
    """
    header = message.attributes.get(SIGNATURE_ATTRIBUTE, "")
    with business_context(correlation_id=correlation_id_or_new(message.attributes.get("correlationId"))):
        if not is_genuine(message.body, header, credentials().webhook_secrets(), sent_at=_sent_at(message)):
            count("WebhooksForged")
            logger.warning("webhook without a valid signature dropped", message_id=message.message_id)
            return
        order_id = _order_id(message.body)
        if order_id is None:
            count("WebhooksOfOthers")
            return
        with business_context(correlation_id=message.message_id, orderId=order_id), until_definite(message):
            settlement().advance(order_id)


def is_genuine(body: str, header: str, secrets: Sequence[str], *, sent_at: datetime) -> bool:
    """Whether a webhook was signed with one of the secrets, shortly before it was sent.

    Args:
        body: The raw body; a single changed byte breaks the signature.
        header: `Stripe-Signature`.
        secrets: The current secret and, during a rotation, the previous one.
        sent_at: When API Gateway received it.
    """
    return any(_signed(body, header, secret, sent_at) for secret in secrets)


def _sent_at(message: Message) -> datetime:
    """When the provider called: after a redrive from the DLQ, SQS's own timestamp is that of the redrive."""
    return datetime.fromisoformat(message.attributes[RECEIVED_ATTRIBUTE])


def _signed(body: str, header: str, secret: str, sent_at: datetime) -> bool:
    """Stripe's scheme (`t=<seconds>,v1=<hex>,…`), by hand: loading its library would double the cold start."""
    parts = [part.partition("=") for part in header.split(",")]
    signed_at = next((value for name, _, value in parts if name == "t"), "")
    if not _SECONDS.fullmatch(signed_at):
        return False
    if abs(sent_at.timestamp() - int(signed_at)) > TOLERANCE_SECONDS:
        return False
    expected = hmac.new(secret.encode(), f"{signed_at}.{body}".encode(), hashlib.sha256).hexdigest()
    return any(
        hmac.compare_digest(value.encode(), expected.encode()) for name, _, value in parts if name == "v1"
    )


def _order_id(body: str) -> str | None:
    """The order that a webhook's object was made for, by the metadata that this service gave it."""
    try:
        event: Any = json.loads(body)
    except json.JSONDecodeError as error:
        raise PoisonMessage(f"the body is signed but not JSON: {error}") from error
    try:
        order_id = event["data"]["object"]["metadata"]["orderId"]
    except (KeyError, TypeError):
        return None
    return str(order_id)


handler = MessageConsumer(look_again)
