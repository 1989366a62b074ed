"""What customers do with carts."""

from hypothesis import strategies as st
from service_testing.contracts import Heard, Request, shared

CUSTOMER = {"sub": "customer-1", "scope": "openid commerce/shop"}

filled = st.builds(
    Request,
    method=st.just("PUT"),
    path=shared("sku").map("/me/cart/items/{}".format),
    body=st.fixed_dictionaries({"quantity": st.integers(1, 99)}),
    claims=st.just(CUSTOMER),
)

REQUESTS = (filled,)

bought = st.lists(
    st.fixed_dictionaries({"sku": shared("sku"), "quantity": st.integers(1, 99)}), min_size=1, max_size=3
)

HEARD = (
    Heard(event="ProductChanged.v1", data={"sku": shared("sku"), "version": st.integers(1, 100)}),
    Heard(event="OrderConfirmed.v1", data={"customerId": st.just(CUSTOMER["sub"]), "items": bought}),
)
