import json

from commerce_platform.cli.retained import retained


def test_what_outlives_its_stacks_is_told_by_type_with_where_it_was(tmp_path):
    table = {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain"}
    queue = {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Delete"}
    for name, resources in {
        "a-data": {"Carts": table},
        "a": {"Queue": queue, "Kept": {**queue, "DeletionPolicy": "Retain"}},
    }.items():
        (tmp_path / f"{name}.template.json").write_text(json.dumps({"Resources": resources}))
    (tmp_path / "manifest.json").write_text("{}")
    assert retained(tmp_path) == {"AWS::DynamoDB::Table": ["a-data/Carts"], "AWS::SQS::Queue": ["a/Kept"]}
