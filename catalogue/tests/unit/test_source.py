"""Links that leave the documentation."""

from pathlib import Path

import pytest
from catalogue.source import linked

SERVICES = {"order-service": "catalogue/services/order.md"}


@pytest.fixture
def root(tmp_path):
    for name in ("docs/how-to", "order-service", "bench"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("docs/glossary.md", "order-service/README.md", "bench/prices.toml"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[g](../glossary.md#saga)", "[g](../glossary.md#saga)"),
        ("[orders](../../order-service/README.md)", "[orders](../catalogue/services/order.md)"),
        ("[orders](../../order-service)", "[orders](../catalogue/services/order.md)"),
        ("[prices](../../bench/prices.toml)", "prices (`bench/prices.toml`)"),
        ("[gone](../../bench/gone.toml)", "[gone](../../bench/gone.toml)"),
        ("![figure](../assets/figure.svg)", "![figure](../assets/figure.svg)"),
    ],
)
def test_a_link_leads_to_what_the_site_has_of_it(root, written, shown):
    assert linked(written, Path("how-to/page.md"), root, SERVICES) == shown
