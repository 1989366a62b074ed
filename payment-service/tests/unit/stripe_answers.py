"""Answers in the shapes that Stripe's API gives them, as its reference and test mode show."""

import json
from typing import Any

import stripe


def intent(status: str = "requires_confirmation", **fields: Any) -> dict[str, Any]:
    return {
        "id": "pi_3PqX1a2eZvKYlo2C1a2b3c4d",
        "object": "payment_intent",
        "amount": 1299,
        "amount_received": 1299 if status == "succeeded" else 0,
        "currency": "eur",
        "capture_method": "automatic",
        "confirmation_method": "automatic",
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {"orderId": "order-1"},
        "payment_method_types": ["card"],
        "status": status,
        **fields,
    }


def charge(*refunds: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "ch_3PqX1a2eZvKYlo2C1xYz",
        "object": "charge",
        "amount": 1299,
        "captured": True,
        "paid": True,
        "refunds": {"object": "list", "data": list(refunds), "has_more": False},
        "status": "succeeded",
    }


def refund(status: str = "succeeded", *, amount: int = 1299) -> dict[str, Any]:
    return {
        "id": "re_3PqX1a2eZvKYlo2C1abc",
        "object": "refund",
        "amount": amount,
        "charge": "ch_3PqX1a2eZvKYlo2C1xYz",
        "payment_intent": "pi_3PqX1a2eZvKYlo2C1a2b3c4d",
        "status": status,
        **({"failure_reason": "expired_or_canceled_card"} if status == "failed" else {}),
    }


def error(kind: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"type": kind, "message": "as Stripe words it", **fields}}


def card_error(code: str, decline_code: str | None = None) -> dict[str, Any]:
    declined = error("card_error", code=code, charge="ch_3PqX1a2eZvKYlo2C1xYz")
    if decline_code:
        declined["error"]["decline_code"] = decline_code
    refused = intent("requires_payment_method", last_payment_error=dict(declined["error"]))
    declined["error"]["payment_intent"] = refused
    return declined


class Recorded(stripe.HTTPClient):
    """Gives recorded answers in turn and keeps what was asked."""

    name = "recorded"

    def __init__(self, *answers: tuple[int, dict[str, Any]] | Exception) -> None:
        super().__init__()
        self._answers = list(answers)
        self.calls: list[tuple[str, str, str, dict[str, str]]] = []

    def request(self, method, url, headers, post_data=None, *, _usage=None):
        path = url.removeprefix("https://api.stripe.com/v1/")
        self.calls.append((method, path, post_data or "", dict(headers)))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return json.dumps(body), status, {"request-id": "req_1"}

    def close(self) -> None:
        """Nothing is open."""

    def _sleep_time_seconds(self, *_args, **_options) -> float:
        return 0
