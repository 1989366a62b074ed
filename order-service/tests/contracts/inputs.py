"""What customers and operators do with orders, and what other services answer."""

from hypothesis import strategies as st
from service_testing.contracts import Heard, Request, shared

CUSTOMER = {"sub": "customer-1", "scope": "openid commerce/shop"}
OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}

lines = st.lists(
    st.fixed_dictionaries({"sku": shared("sku"), "quantity": st.integers(1, 3) | st.integers(1, 99)}),
    min_size=1,
    max_size=2,
    unique_by=lambda line: line["sku"],
)
placed = st.builds(
    Request,
    method=st.just("POST"),
    path=st.just("/orders"),
    body=st.fixed_dictionaries(
        {
            "items": lines,
            "paymentMethod": st.sampled_from(
                ["tok_visa", "tok_visa", "tok_declined", "tok_insufficient_funds"]
            ),
        }
    ),
    headers=st.fixed_dictionaries({"Idempotency-Key": st.from_regex("[!-~]{1,128}", fullmatch=True)}),
    claims=st.just(CUSTOMER),
)
cancelled = st.builds(
    Request,
    method=st.just("POST"),
    path=st.just("/orders/{orderId}/cancellation"),
    pick=st.integers(0, 3),
    claims=st.just(CUSTOMER),
)
fulfilled = st.builds(
    Request,
    method=st.just("POST"),
    path=st.just("/operations/orders/{orderId}/fulfilment"),
    pick=st.integers(0, 3),
    claims=st.just(OPERATOR),
)

REQUESTS = (placed, placed, placed, fulfilled, fulfilled, cancelled)

LEVEL = {"sku": shared("sku"), "version": st.integers(1, 100)}

HEARD = (
    Heard(
        event="ProductChanged.v1",
        data={**LEVEL, "status": st.sampled_from(["ACTIVE", "ACTIVE", "ACTIVE", "RETIRED"])},
    ),
    Heard(event="StockLow.v1", data=LEVEL),
    Heard(event="StockDepleted.v1", data=LEVEL),
    Heard(event="StockReplenished.v1", data=LEVEL),
    Heard(event="StockReserved.v1", after="StockReservationRequested.v1"),
    Heard(event="StockRejected.v1", after="StockReservationRequested.v1"),
    Heard(event="PaymentCaptured.v1", after="PaymentRequested.v1"),
    Heard(event="PaymentDeclined.v1", after="PaymentRequested.v1"),
)
