"""The sandbox's own time: only a slow provider takes any."""

from __future__ import annotations

import pytest
from payment_service.payments.runtime.provider import IntentState
from payment_service.payments.runtime.sandbox import SandboxProvider

from .worlds import Accounts, request


@pytest.mark.parametrize(("token", "pauses"), [("tok_slow", [1.5]), ("tok_visa", []), ("tok_declined", [])])
def test_only_the_slow_token_keeps_its_caller_waiting(token, pauses):
    waited = []
    provider = SandboxProvider(Accounts(), sleep=waited.append)
    intent = provider.create(request(token))
    answer = provider.confirm(intent.id)
    assert answer.state is (IntentState.DECLINED if token == "tok_declined" else IntentState.CAPTURED)
    assert waited == pauses
