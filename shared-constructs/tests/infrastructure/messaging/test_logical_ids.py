def test_logical_ids_stay_the_same(templates, snapshot):
    """Another logical id is another resource: what services have deployed would be replaced."""
    ids = {
        stack: {logical_id: resource["Type"] for logical_id, resource in template["Resources"].items()}
        for stack, template in templates.items()
    }
    assert ids == snapshot
