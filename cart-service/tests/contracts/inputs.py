"""What customers do with carts."""

from hypothesis import strategies as st
from service_testing.contracts import Request, shared

CUSTOMER = {"sub": "customer-1", "scope": "openid commerce/shop"}

filled = st.builds(
    Request,
    method=st.just("PUT"),
    path=shared("sku").map("/me/cart/items/{}".format),
    body=st.fixed_dictionaries({"quantity": st.integers(1, 99)}),
    claims=st.just(CUSTOMER),
)

REQUESTS = (filled,)
