"""What operators do to the catalogue."""

from hypothesis import strategies as st
from product_service.catalogue.models import CATEGORY_PATTERN
from service_testing.contracts import Request, shared

OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}

details = st.fixed_dictionaries(
    {
        "name": st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=200),
        "category": st.from_regex(CATEGORY_PATTERN, fullmatch=True),
        "price": st.fixed_dictionaries(
            {"amountMinor": st.integers(1, 100_000_000), "currency": st.just("EUR")}
        ),
    },
    optional={
        "description": st.text(st.characters(codec="utf-8"), min_size=1, max_size=400),
        "imageUrl": st.from_regex(r"https://[a-z]{1,20}\.example/[a-z]{0,20}\.jpg", fullmatch=True),
    },
)
products = shared("sku").map("/products/{}".format)

described = st.builds(Request, method=st.just("PUT"), path=products, body=details, claims=st.just(OPERATOR))
retired = st.builds(Request, method=st.just("DELETE"), path=products, claims=st.just(OPERATOR))

REQUESTS = (described, described, described, described, retired)
