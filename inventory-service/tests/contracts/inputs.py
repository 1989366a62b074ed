"""What operators do to the stock."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from inventory_service.stock.models import MAX_PIECES
from service_testing.contracts import Heard, Request, shared

OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}

received = st.builds(
    Request,
    method=st.just("POST"),
    path=shared("sku").map("/stock/{}/receipts".format),
    body=st.fixed_dictionaries(
        {
            "receiptId": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
            "quantity": st.integers(1, 10) | st.integers(1, MAX_PIECES),
        }
    ),
    claims=st.just(OPERATOR),
)
watched = st.builds(
    Request,
    method=st.just("PUT"),
    path=shared("sku").map("/stock/{}/threshold".format),
    body=st.fixed_dictionaries({"lowThreshold": st.integers(0, 20) | st.integers(0, MAX_PIECES)}),
    claims=st.just(OPERATOR),
)

REQUESTS = (received, received, watched)

lines = st.lists(
    st.fixed_dictionaries({"sku": shared("sku"), "quantity": st.integers(1, 3)}),
    min_size=1,
    max_size=2,
    unique_by=lambda line: line["sku"],
)


def in_an_hour():
    """Nobody waits for an answer any longer than that."""
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


HEARD = (
    Heard(event="StockReservationRequested.v1", data={"items": lines, "expiresAt": st.builds(in_an_hour)}),
    Heard(event="OrderConfirmed.v1", after="StockReserved.v1"),
    Heard(event="OrderCancelled.v1", after="StockReserved.v1"),
    Heard(event="OrderFulfilled.v1", after="OrderConfirmed.v1"),
)
