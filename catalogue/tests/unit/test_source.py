"""Links that leave the documentation, and what a service says of itself."""

from pathlib import Path

import pytest
from catalogue.source import linked
from catalogue.workspace import read

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


@pytest.mark.parametrize(
    ("readme", "purpose"),
    [
        (None, "Of the project."),
        ("# loyalty-service\n", "Of the project."),
        (
            "# loyalty-service\n\nPoints for [orders](../order-service).\nAlways.\n\nMore.",
            "Points for orders. Always.",
        ),
    ],
)
def test_a_service_says_what_it_is_for_in_its_readme_or_its_project(tmp_path, readme, purpose):
    folder = tmp_path / "loyalty-service"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\ndescription = "Of the project."\n')
    if readme is not None:
        (folder / "README.md").write_text(readme)
    (assembly := tmp_path / "out" / "loyalty-service").mkdir(parents=True)
    assert [service.purpose for service in read(tmp_path, [assembly]).services] == [purpose]
