"""The catalogue on the local cloud, through its public URL."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from service_testing.local_cloud import eventually

pytestmark = pytest.mark.e2e

DETAILS = {
    "name": "Éclair “test” 🍰",
    "category": "e2e",
    "price": {"amountMinor": 390, "currency": "EUR"},
}


@pytest.fixture
def sku():
    return f"E2E-{secrets.token_hex(6).upper()}"


@pytest.fixture
def put(local_cloud, operator, sku):
    def put(*, token=operator, headers=None, **changes):
        return local_cloud.request(
            "PUT", "product", f"/products/{sku}", token=token, headers=headers, body={**DETAILS, **changes}
        )

    return put


@pytest.fixture
def get(local_cloud, sku):
    return lambda: local_cloud.request("GET", "product", f"/products/{sku}")


@pytest.fixture
def retire(local_cloud, operator, sku):
    return lambda: local_cloud.request("DELETE", "product", f"/products/{sku}", token=operator)


def assert_problem(response, status):
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == status


def test_a_products_life(put, get, retire, sku, local_cloud):
    assert_problem(get(), 404)

    created = put(description="A test.")
    assert (created.status_code, created.headers["ETag"]) == (201, '"1"')
    assert created.json() == {**DETAILS, **created.json(), "sku": sku, "status": "ACTIVE", "version": 1}
    assert get().json() == created.json()

    replaced = put(name="Another", headers={"If-Match": created.headers["ETag"]})
    assert (replaced.status_code, replaced.json()["version"]) == (200, 2)
    assert "description" not in replaced.json()
    assert_problem(put(name="Lost", headers={"If-Match": "1"}), 412)

    assert [retire().status_code, retire().status_code] == [204, 204]
    assert (get().json()["status"], get().json()["version"]) == ("RETIRED", 3)
    listed = local_cloud.request(
        "GET", "product", "/products", query={"category": "e2e", "limit": "100"}
    ).json()
    assert sku not in [product["sku"] for product in listed["items"]]

    assert (put().status_code, get().json()["version"]) == (200, 4)


def test_a_product_that_never_was_cannot_be_retired(retire, get):
    assert_problem(retire(), 404)
    assert_problem(get(), 404)


def test_of_many_writers_at_once_with_one_version_exactly_one_wins(put, get):
    put()

    with ThreadPoolExecutor(8) as writers:
        statuses = list(
            writers.map(lambda n: put(name=f"Writer {n}", headers={"If-Match": "1"}).status_code, range(8))
        )

    assert sorted(statuses) == [200] + [412] * 7
    assert get().json()["version"] == 2


def test_writers_without_a_version_lose_no_version(put, get):
    with ThreadPoolExecutor(8) as writers:
        answers = list(writers.map(lambda n: put(name=f"Writer {n}"), range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert sorted(answer.json()["version"] for answer in answers) == list(range(1, 9))
    assert get().json()["version"] == 8


def test_pages_show_the_whole_catalogue_once(local_cloud, operator):
    offered = {f"E2E-{secrets.token_hex(6).upper()}" for _ in range(15)}
    for sku in offered:
        local_cloud.request("PUT", "product", f"/products/{sku}", token=operator, body=DETAILS)

    def page(**query):
        return local_cloud.request("GET", "product", "/products", query={"limit": "7", **query}).json()

    pages = [page()]
    while cursor := pages[-1].get("nextCursor"):
        pages.append(page(cursor=cursor))

    skus = [product["sku"] for each in pages for product in each["items"]]
    assert len(pages) > 2
    assert offered <= set(skus)
    assert len(set(skus)) == len(skus)
    assert all(len(each["items"]) <= 7 for each in pages)


def test_who_may_change_what(put, get, customer):
    assert_problem(put(token=None), 401)
    assert_problem(put(token="nonsense"), 401)
    assert_problem(put(token=customer), 403)
    assert_problem(get(), 404)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/products?limit=0", 400),
        ("/products?cursor=nonsense", 400),
        ("/products/lower", 400),
        ("/nowhere", 404),
    ],
)
def test_what_is_wrong_is_a_problem_document(local_cloud, path, status):
    assert_problem(local_cloud.request("GET", "product", path), status)


def test_an_invalid_body_is_a_problem_document(put):
    assert_problem(put(price={"amountMinor": 1.5, "currency": "EUR"}), 400)
    assert_problem(put(unknown=True), 400)
    assert_problem(put(headers={"Content-Type": "text/plain"}), 415)


def test_a_change_reaches_those_who_follow_the_catalogue(put, retire, local_cloud, sku):
    cart = local_cloud.request("POST", "cart", "/carts").json()["cartId"]

    def line():
        return local_cloud.request("PUT", "cart", f"/carts/{cart}/items/{sku}", body={"quantity": 2})

    assert line().status_code == 404
    put(name="First", price={"amountMinor": 390, "currency": "EUR"})
    shown = eventually(line, lambda answer: answer.status_code == 200).json()
    assert (shown["name"], shown["unitPrice"]) == ("First", {"amountMinor": 390, "currency": "EUR"})

    put(name="Second", price={"amountMinor": 410, "currency": "EUR"})
    shown = eventually(line, lambda answer: answer.json().get("name") == "Second").json()
    assert shown["lineTotal"] == {"amountMinor": 820, "currency": "EUR"}

    retire()
    assert_problem(eventually(line, lambda answer: answer.status_code != 200), 409)
