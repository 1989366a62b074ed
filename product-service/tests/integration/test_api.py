"""Every route, executed from the synthesized template: API Gateway's mapping templates against DynamoDB (moto)."""

import json

import pytest

CUSTOMER = {"sub": "customer-1", "scope": "openid commerce/shop"}
OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}


def assert_problem(response, status):
    assert response.status == status, response.body
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], bool(problem["title"])) == (status, True)
    return problem


class TestPut:
    def test_a_new_product_is_created(self, catalogue):
        response = catalogue.put(description="Sharp.", imageUrl="https://images.example/citron.jpg")

        assert response.status == 201, response.body
        assert response.headers["ETag"] == '"1"'
        product = response.json()
        assert product.pop("updatedAt").endswith("Z")
        assert product == {
            "sku": "TARTE-CITRON",
            "name": "Tarte au citron",
            "description": "Sharp.",
            "category": "tartes",
            "price": {"amountMinor": 620, "currency": "EUR"},
            "imageUrl": "https://images.example/citron.jpg",
            "status": "ACTIVE",
            "version": 1,
        }

    def test_a_known_product_is_replaced_as_a_whole(self, catalogue):
        catalogue.put(description="Sharp.")

        response = catalogue.put(name="Tarte", price={"amountMinor": 1, "currency": "EUR"})

        assert response.status == 200
        product = response.json()
        assert (product["name"], product["price"]["amountMinor"], product["version"]) == ("Tarte", 1, 2)
        assert "description" not in product
        assert catalogue.get().json() == product

    def test_a_retired_product_comes_back(self, catalogue):
        catalogue.put()
        catalogue.retire()

        response = catalogue.put()

        assert (response.status, response.json()["status"], response.json()["version"]) == (200, "ACTIVE", 3)
        assert [product["sku"] for product in catalogue.list().json()["items"]] == ["TARTE-CITRON"]

    @pytest.mark.parametrize("version", ["1", '"1"'])
    def test_the_expected_version_lets_a_change_through(self, catalogue, version):
        catalogue.put()

        assert catalogue.put(headers={"If-Match": version}).json()["version"] == 2

    @pytest.mark.parametrize("version", ["1", '"1"', "3", '"nonsense"', "-1", "1 OR 1", "*1"])
    def test_a_stale_version_changes_nothing(self, catalogue, version):
        catalogue.put()
        before = catalogue.put().json()

        assert_problem(catalogue.put(name="Lost update", headers={"If-Match": version}), 412)

        assert catalogue.get().json() == before

    def test_a_version_of_a_product_that_is_not_there_is_stale(self, catalogue):
        assert_problem(catalogue.put(headers={"If-Match": "1"}), 412)

        assert_problem(catalogue.get(), 404)

    def test_of_two_writers_with_one_version_the_first_wins(self, catalogue):
        catalogue.put()

        statuses = [
            catalogue.put(name=name, headers={"If-Match": '"1"'}).status
            for name in ("first", "second", "third")
        ]

        assert statuses == [200, 412, 412]
        assert (catalogue.get().json()["name"], catalogue.get().json()["version"]) == ("first", 2)

    @pytest.mark.parametrize(
        "changes",
        [
            {"name": ...},
            {"name": ""},
            {"name": "x" * 201},
            {"name": 5},
            {"category": ...},
            {"category": "Tartes"},
            {"category": "x" * 41},
            {"category": "a#b"},
            {"price": ...},
            {"price": 620},
            {"price": {"amountMinor": 0, "currency": "EUR"}},
            {"price": {"amountMinor": -1, "currency": "EUR"}},
            {"price": {"amountMinor": 6.2, "currency": "EUR"}},
            {"price": {"amountMinor": "620", "currency": "EUR"}},
            {"price": {"amountMinor": 100_000_001, "currency": "EUR"}},
            {"price": {"amountMinor": 620, "currency": "USD"}},
            {"price": {"amountMinor": 620}},
            {"description": "x" * 4001},
            {"description": "half a pair \ud800"},
            {"imageUrl": "http://images.example/insecure.jpg"},
            {"imageUrl": "javascript:alert(1)"},
            {"unknown": 1},
            {"status": "RETIRED"},
            {"version": 7},
        ],
        ids=str,
    )
    def test_an_invalid_body_is_refused(self, catalogue, changes):
        assert_problem(catalogue.put(**changes), 400)

        assert_problem(catalogue.get(), 404)

    @pytest.mark.parametrize("body", ["", "null", "[]", "{", '"text"'])
    def test_what_is_no_object_is_refused(self, catalogue, body):
        response = catalogue.deployment.request("PUT", "/products/TARTE-CITRON", body=body, claims=OPERATOR)

        assert_problem(response, 400)

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded"]
    )
    def test_another_content_type_is_refused(self, catalogue, content_type):
        assert_problem(catalogue.put(headers={"Content-Type": content_type}), 415)

        assert_problem(catalogue.get(), 404)

    @pytest.mark.parametrize(
        "sku", ["tarte", "-TARTE", "TARTE%20CITRON", "TARTE%23", "T" * 65, "%C3%89CLAIR"]
    )
    def test_a_sku_that_is_none_is_refused(self, catalogue, sku):
        problem = assert_problem(catalogue.put(sku), 400)

        assert "sku" in problem["detail"]

    def test_the_item_alone_says_which_operator_changed_it_last(self, catalogue):
        catalogue.put()
        catalogue.put(name="Tarte", claims={**OPERATOR, "sub": "operator-2"})
        (item,) = catalogue.deployment.items("Products")
        assert item["updatedBy"] == "operator-2"
        catalogue.retire(claims={**OPERATOR, "sub": "operator-3"})
        (item,) = catalogue.deployment.items("Products")
        assert item["updatedBy"] == "operator-3"
        listed = catalogue.deployment.table("Products").query(
            IndexName="gsi1",
            KeyConditionExpression="gsi1pk = :all",
            ExpressionAttributeValues={":all": "CATALOGUE"},
        )["Items"]
        assert "operator-" not in catalogue.get().body + catalogue.list().body + str(listed)

    def test_the_item_remembers_who_asked(self, catalogue):
        response = catalogue.put(headers={"X-Correlation-Id": "conversation-7"})

        (item,) = catalogue.deployment.items("Products")
        assert response.headers["X-Correlation-Id"] == "conversation-7"
        assert item["correlationId"] == "conversation-7"
        assert item["causationId"] == response.headers["x-amzn-RequestId"]
        assert item["createdAt"] == item["updatedAt"]


class TestGet:
    def test_an_unknown_product_is_not_found(self, catalogue):
        assert_problem(catalogue.get("NOT-THERE"), 404)

    def test_text_comes_back_as_it_went_in(self, catalogue):
        text = "«Éclair» \"œuf\" \\ 'x' $context #set($a=1) {{}} \t\n 🍰 </script>"
        catalogue.put(name=text, description=text)

        product = catalogue.get().json()

        assert (product["name"], product["description"]) == (text, text)


class TestList:
    @pytest.fixture
    def stocked(self, catalogue):
        for sku, category in [
            ("CROISSANT", "viennoiseries"),
            ("BAGUETTE", "pains"),
            ("FICELLE", "pains"),
            ("MICHE", "pains-speciaux"),
            ("PAIN-NOIX", "pains"),
        ]:
            catalogue.put(sku, category=category)
        return catalogue

    def skus(self, response):
        assert response.status == 200, response.body
        return [product["sku"] for product in response.json()["items"]]

    def test_an_empty_catalogue_is_an_empty_list(self, catalogue):
        assert catalogue.list().json() == {"items": []}

    def test_everything_on_sale_is_listed_by_category(self, stocked):
        response = stocked.list()

        assert self.skus(response) == ["BAGUETTE", "FICELLE", "PAIN-NOIX", "MICHE", "CROISSANT"]
        assert "nextCursor" not in response.json()

    def test_a_category_is_listed_without_its_namesakes(self, stocked):
        assert self.skus(stocked.list(category="pains")) == ["BAGUETTE", "FICELLE", "PAIN-NOIX"]
        assert self.skus(stocked.list(category="tartes")) == []

    def test_items_are_whole_products(self, stocked):
        (product,) = stocked.list(category="viennoiseries").json()["items"]

        assert product == stocked.get("CROISSANT").json()

    def test_a_sku_does_not_lose_a_trailing_line_feed(self, stocked):
        assert stocked.get("CROISSANT%0A").status == 400

    def test_pages_lead_to_each_other_and_end(self, stocked):
        seen, cursor, pages = [], None, 0
        while pages < 10:
            response = stocked.list(limit="2", **({"cursor": cursor} if cursor else {}))
            seen += self.skus(response)
            pages += 1
            cursor = response.json().get("nextCursor")
            if cursor is None:
                break

        assert seen == ["BAGUETTE", "FICELLE", "PAIN-NOIX", "MICHE", "CROISSANT"]

    def test_a_cursor_of_one_category_does_not_lead_into_another(self, stocked):
        """The position says where to go on, the route's category in what: BAGUETTE lies before MICHE and CROISSANT."""
        cursor = stocked.list(limit="1", category="pains").json()["nextCursor"]

        response = stocked.list(category="viennoiseries", cursor=cursor)

        assert self.skus(response) == ["CROISSANT"]

    @pytest.mark.parametrize("limit", ["0", "-1", "101", "1.5", "ten", "1e1", "00", "99999999999999999999"])
    def test_a_limit_outside_1_to_100_is_refused(self, stocked, limit):
        problem = assert_problem(stocked.list(limit=limit), 400)

        assert "limit" in problem["detail"]

    @pytest.mark.parametrize("limit", ["1", "100"])
    def test_a_limit_of_1_to_100_is_kept(self, stocked, limit):
        assert len(self.skus(stocked.list(limit=limit))) == min(int(limit), 5)

    @pytest.mark.parametrize("cursor", ["nonsense", "e30=", "a.b.c", '{"pk":"x"}', "%00", "x" * 5000])
    def test_a_cursor_that_is_none_is_refused(self, stocked, cursor):
        assert_problem(stocked.list(cursor=cursor), 400)

    def test_a_cursor_that_was_tampered_with_shows_nothing_else(self, stocked):
        """Neither what is not for sale, nor another category: the cursor is a position and nothing else."""
        stocked.retire("PAIN-NOIX")
        cursor = stocked.list(limit="1", category="pains").json()["nextCursor"]
        shown = set()

        for position in range(len(cursor)):
            swapped = cursor[:position] + ("A" if cursor[position] != "A" else "B") + cursor[position + 1 :]
            response = stocked.list(category="pains", cursor=swapped)
            if response.status != 400:
                shown |= set(self.skus(response))

        assert {"FICELLE"} <= shown <= {"BAGUETTE", "FICELLE"}

    @pytest.mark.parametrize("category", ["Pains", "pains#", "a b", "x" * 41, "é"])
    def test_a_category_that_is_none_is_refused(self, stocked, category):
        assert_problem(stocked.list(category=category), 400)


class TestRetire:
    def test_a_retired_product_leaves_the_list_and_stays_readable(self, catalogue):
        catalogue.put()

        response = catalogue.retire()

        assert (response.status, response.body.strip()) == (204, "")
        assert catalogue.list().json() == {"items": []}
        product = catalogue.get().json()
        assert (product["status"], product["version"], product["name"]) == ("RETIRED", 2, "Tarte au citron")

    def test_retiring_twice_changes_nothing_more(self, catalogue):
        catalogue.put()
        catalogue.retire()
        before = catalogue.get().json()

        response = catalogue.retire()

        assert (response.status, response.body.strip()) == (204, "")
        assert catalogue.get().json() == before

    def test_an_unknown_product_cannot_be_retired(self, catalogue):
        assert_problem(catalogue.retire(), 404)

        assert catalogue.deployment.items("Products") == []

    def test_a_stale_version_is_not_retired(self, catalogue):
        catalogue.put()
        catalogue.put()

        assert_problem(catalogue.retire(headers={"If-Match": "1"}), 412)

        assert catalogue.get().json()["status"] == "ACTIVE"


class TestAccess:
    def test_reading_needs_no_token(self, catalogue):
        catalogue.put()

        assert (catalogue.get().status, catalogue.list().status) == (200, 200)

    def test_changing_needs_a_token(self, catalogue):
        assert_problem(catalogue.put(claims=None), 401)
        assert_problem(catalogue.retire(claims=None), 401)

    def test_changing_needs_the_operators_scope(self, catalogue):
        assert_problem(catalogue.put(claims=CUSTOMER), 403)
        assert_problem(catalogue.retire(claims=CUSTOMER), 403)
        assert catalogue.deployment.items("Products") == []


def test_no_answer_shows_how_the_service_is_made(catalogue):
    answers = [
        catalogue.get("NOT-THERE"),
        catalogue.put("bad sku"),
        catalogue.put(headers={"If-Match": "9"}),
        catalogue.list(cursor="nonsense"),
        catalogue.put(),
        catalogue.get(),
        catalogue.list(),
    ]

    for answer in answers:
        shown = json.dumps(dict(answer.headers)) + answer.body
        assert not [word for word in ("dynamodb", "gsi1", "PRODUCT#", "__type", "arn:aws") if word in shown]
