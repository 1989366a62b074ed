"""What a template reads, and where from."""

from __future__ import annotations

from shared_constructs.direct_api import equals, request_id
from shared_constructs.direct_api.bindings import Bindings
from shared_constructs.direct_api.dynamodb.expressions import holds


def test_what_the_gateway_knows_is_compared_and_joined_by_its_value():
    answer = Bindings.of_answer()
    assert str(holds(answer, "$old", equals("causationId", request_id()))).endswith("== $requestId")
    joined = answer.joined_text(["/jobs/", request_id()])
    assert answer.head().endswith(f'#set({joined} = "${{static1}}${{requestId}}")')
