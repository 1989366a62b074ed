"""JSON Schemas as tables."""

from catalogue.schemas import fields

MONEY = {
    "type": "object",
    "properties": {"amountMinor": {"type": "integer", "minimum": 0}},
    "required": ["amountMinor"],
}


def test_nested_fields_have_their_path_and_references_are_followed():
    schema = {
        "$defs": {"Money": MONEY},
        "properties": {
            "items": {
                "type": "array",
                "maxItems": 50,
                "items": {"properties": {"price": {"$ref": "#/$defs/Money"}}},
            },
            "reason": {"enum": ["LATE", "LOST"], "description": "Why.\nIn one word."},
        },
        "required": ["items"],
    }
    assert fields(schema)[2:] == [
        "| `items` | list of object | yes | at most 50 items |  |",
        "| `items[].price` | object |  |  |  |",
        "| `items[].price.amountMinor` | integer | yes | ≥ 0 |  |",
        "| `reason` | any |  | `LATE`, `LOST` | Why. In one word. |",
    ]


def test_a_schema_that_refers_to_itself_ends():
    tree = {"$defs": {"Tree": {"properties": {"left": {"$ref": "#/$defs/Tree"}}}}, "$ref": "#/$defs/Tree"}
    assert len(fields(tree)) < 20


def test_a_pattern_cannot_break_the_table():
    schema = {"properties": {"status": {"type": "string", "pattern": "^(?:A|B)$"}}}
    assert fields(schema)[2].count(" | ") == fields(schema)[0].count(" | ")


def test_what_a_description_says_is_no_markdown_but_code():
    schema = {"properties": {"id": {"type": "string", "description": "Matches [a-z][0-9]* or `[x]`."}}}
    assert fields(schema)[2].endswith(r"| Matches \[a-z\]\[0-9\]\* or `[x]`. |")
