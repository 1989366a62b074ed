"""What each change of a contract means, and where it says so."""

import copy

import pytest
from service_contracts.compatibility import Kind, api_changes, change, reads, unmet

ORDER = {
    "type": "object",
    "properties": {
        "orderId": {"type": "string", "minLength": 1, "maxLength": 128},
        "reason": {"enum": ["OUT_OF_STOCK", "EXPIRED"], "type": "string"},
        "placedAt": {"type": "string", "format": "date-time"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "items": {"type": "array", "items": {"$ref": "#/$defs/Line"}, "minItems": 1},
    },
    "required": ["orderId", "reason", "placedAt", "items"],
    "$defs": {
        "Line": {
            "type": "object",
            "properties": {
                "sku": {"type": "string", "pattern": "^[A-Z]+$"},
                "quantity": {"type": "integer", "minimum": 1},
            },
            "required": ["sku", "quantity"],
        }
    },
}
FIELDS = ORDER["properties"]


def changed(*path, to=None, drop=False, at=ORDER):
    """The schema with one place of it replaced or removed."""
    schema = copy.deepcopy(at)
    part = schema
    for name in path[:-1]:
        part = part[name]
    if drop:
        del part[path[-1]]
    else:
        part[path[-1]] = to
    return schema


def renamed(old, new):
    schema = copy.deepcopy(ORDER)
    schema["properties"][new] = schema["properties"].pop(old)
    schema["required"] = [new if name == old else name for name in schema["required"]]
    return schema


LINE = ("$defs", "Line", "properties")

BREAKING = {
    "a field is renamed": (renamed("orderId", "id"), "data.orderId is not promised"),
    "an optional field is gone": (changed("properties", "note", drop=True), "data.note is read but never sent"),
    "a field may be missing": (changed("required", to=["orderId", "reason", "items"]), "data.placedAt is not promised"),
    "a type is another": (changed(*LINE, "quantity", to={"type": "string"}), "data.items[].quantity is string, not integer"),
    "a type is wider": (changed(*LINE, "quantity", to={"type": "number", "minimum": 1}), "is number, not integer"),
    "a field may be null": (
        changed("properties", "orderId", to={"anyOf": [FIELDS["orderId"], {"type": "null"}]}),
        "data.orderId is null, not string",
    ),
    "a value is added": (
        changed("properties", "reason", "enum", to=["OUT_OF_STOCK", "EXPIRED", "RECALLED"]),
        "data.reason can be RECALLED, read are only OUT_OF_STOCK, EXPIRED",
    ),
    "a value is dropped": (
        changed("properties", "reason", "enum", to=["EXPIRED"]),
        "data.reason lost values of its enumeration: data.reason can be OUT_OF_STOCK",
    ),
    "values become free text": (changed("properties", "reason", to={"type": "string"}), "data.reason can be any string"),
    "a lower bound falls": (changed(*LINE, "quantity", "minimum", to=0), "data.items[].quantity has minimum 0"),
    "an upper bound is gone": (changed("properties", "orderId", "maxLength", drop=True), "data.orderId has maxLength none"),
    "a list may be empty": (changed("properties", "items", "minItems", drop=True), "data.items has minItems none"),
    "a format is gone": (changed("properties", "placedAt", "format", drop=True), "data.placedAt has the format none"),
    "a pattern is another": (changed(*LINE, "sku", "pattern", to="^[a-z]+$"), "data.items[].sku has the pattern"),
}  # fmt: skip
ADDITIVE = {
    "a new optional field": changed("properties", "total", to={"type": "integer"}),
    "a bound is tighter": changed(*LINE, "quantity", "minimum", to=2),
    "a field is always there": changed("required", to=[*ORDER["required"], "note"]),
    "a field of a nested object is new": changed(*LINE, "name", to={"type": "string"}),
}
SAFE = {
    "nothing": ORDER,
    "words": changed("description", to="What was ordered."),
    "an example": changed("examples", to=[{}]),
    "words about a field": changed("properties", "orderId", "description", to="Its id."),
}


@pytest.mark.parametrize(("new", "said"), BREAKING.values(), ids=BREAKING)
def test_a_change_that_a_reader_would_notice_is_breaking_and_says_where(new, said):
    found = change(ORDER, new)
    assert found.kind is Kind.BREAKING
    assert any(said in each.message for each in found.faults), found


@pytest.mark.parametrize("new", ADDITIVE.values(), ids=ADDITIVE)
def test_what_a_reader_need_not_know_is_additive(new):
    assert change(ORDER, new).kind is Kind.ADDITIVE


@pytest.mark.parametrize("new", SAFE.values(), ids=SAFE)
def test_what_does_not_travel_is_safe(new):
    assert change(ORDER, new).kind is Kind.SAFE


def test_a_reader_of_a_part_is_met_by_the_whole():
    part = {
        "type": "object",
        "properties": {"orderId": {"type": "string"}, "note": FIELDS["note"]},
        "required": ["orderId"],
    }
    assert unmet(part, ORDER) == []


def test_a_reader_that_takes_no_further_fields_breaks_when_one_comes():
    closed = {**ORDER, "additionalProperties": False}
    assert [each.message for each in unmet(closed, ORDER)] == [
        "data may have further fields, but none are taken"
    ]


def test_a_keyword_that_is_not_understood_is_said_rather_than_passed():
    (fault,) = unmet({"type": "object", "dependentRequired": {}}, {"type": "object"})
    assert "'dependentRequired' cannot be compared" in fault.message


@pytest.mark.parametrize(
    ("path", "is_read"),
    [("data.orderId", True), ("data.items[].sku", True), ("data.items[].name", False), ("data.total", False)],
)
def test_who_reads_a_field_is_known(path, is_read):
    assert reads({**ORDER, "$defs": {"Line": ORDER["$defs"]["Line"]}}, path) is is_read


# APIs -----------------------------------------------------------------------------------------------------------------
def api(**operation):
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}
    given = {
        "parameters": [{"name": "orderId", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": answer},
        "security": [{"customerToken": ["commerce/shop"]}],
        **operation,
    }
    order = {name: value for name, value in ORDER.items() if name != "$defs"}
    line = ORDER["$defs"]["Line"]
    schemas = {"Order": changed("properties", "items", "items", to=line, at=order)}
    return {"paths": {"/orders/{orderId}": {"put": given}}, "components": {"schemas": schemas}}


def body(schema):
    return {"content": {"application/json": {"schema": schema}}, "required": True}


QUANTITY = {
    "type": "object",
    "properties": {"quantity": {"type": "integer", "maximum": 99}},
    "required": ["quantity"],
}
OPERATORS = [{"customerToken": ["commerce/operate"]}]

API_BREAKING = {
    "a route is gone": (api(), {"paths": {}, "components": {"schemas": {}}}, "PUT /orders/{} is gone"),
    "a body is needed": (api(), api(requestBody=body(QUANTITY)), "takes a body now"),
    "a field of the request is new and required": (
        api(requestBody=body({"type": "object", "properties": {}})), api(requestBody=body(QUANTITY)),
        "request.quantity is not promised",
    ),
    "a bound of the request is tighter": (
        api(requestBody=body(QUANTITY)),
        api(requestBody=body(changed("properties", "quantity", "maximum", to=9, at=QUANTITY))),
        "request.quantity has maximum 99",
    ),
    "a parameter is tighter": (
        api(),
        api(parameters=[{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^a$"}}]),
        "has the pattern none, read is only '^a$'",
    ),
    "a parameter is required": (
        api(),
        api(parameters=[*api()["paths"]["/orders/{orderId}"]["put"]["parameters"],
                        {"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}}]),
        "requires the header parameter If-Match now",
    ),
    "a field of the answer is gone": (
        api(), {**api(), "components": {"schemas": {"Order": {"type": "object", "properties": {}}}}},
        "PUT /orders/{} 200.orderId is not promised",
    ),
    "success has another status": (api(), api(responses={"202": {}}), "answers success with another status"),
    "a scope is not enough any more": (api(), api(security=OPERATORS), "does not accept commerce/shop any more"),
    "a public route needs a token": (api(security=[]), api(), "needs credentials now"),
}  # fmt: skip
API_ADDITIVE = {
    "an optional field of the request": (
        api(requestBody=body(QUANTITY)),
        api(requestBody=body(changed("properties", "note", to={"type": "string"}, at=QUANTITY))),
    ),
    "a bound of the request is wider": (
        api(requestBody=body(QUANTITY)),
        api(requestBody=body(changed("properties", "quantity", "maximum", to=999, at=QUANTITY))),
    ),
    "another scope is enough too": (
        api(),
        api(security=[{"customerToken": ["commerce/shop", "commerce/operate"]}]),
    ),
    "a 204 that is no longer said to have a body": (
        api(responses={"204": body({})}),
        api(responses={"204": {"description": "No Content"}}),
    ),
    "a further problem": (
        api(),
        api(responses={**api()["paths"]["/orders/{orderId}"]["put"]["responses"], "409": {}}),
    ),
}


@pytest.mark.parametrize(("old", "new", "said"), API_BREAKING.values(), ids=API_BREAKING)
def test_what_a_caller_would_notice_is_breaking(old, new, said):
    found = api_changes(old, new)
    assert found.kind is Kind.BREAKING
    assert any(said in each.message for each in found.faults), found


@pytest.mark.parametrize(("old", "new"), API_ADDITIVE.values(), ids=API_ADDITIVE)
def test_what_callers_need_not_know_is_additive(old, new):
    assert api_changes(old, new).kind is Kind.ADDITIVE
