"""A state machine as a picture and as a table."""

from catalogue.model import Kind, Part
from catalogue.workflows import drawing, states

DEFINITION = {
    "StartAt": "Which",
    "States": {
        "Which": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% /* why */ $x = 1 %}", "Next": "Each"}],
            "Default": "Done",
        },
        "Each": {
            "Type": "Map",
            "ItemProcessor": {
                "StartAt": "Do",
                "States": {"Do": {"Type": "Task", "Resource": "r", "End": True}},
            },
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}],
            "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
    },
}
WORKFLOW = Part(id="s/workflow/w", kind=Kind.WORKFLOW, service="s", name="W", path="W", definition=DEFINITION)


def test_every_state_is_drawn_inner_ones_inside():
    nodes = {node.id: node.group for node in drawing(WORKFLOW).nodes}
    assert {"Which": "", "Each": "", "Each/0/Do": "Each", "Done": ""}.items() <= nodes.items()


def test_every_way_out_of_a_state_is_an_arrow():
    edges = {(edge.source, edge.target): (edge.kind, edge.title) for edge in drawing(WORKFLOW).edges}
    assert edges["Which", "Each"] == ("choice", "Which to Each: $x = 1")
    assert edges["Which", "Done"][0] == "default"
    assert [edge.kind for edge in drawing(WORKFLOW).edges if edge.source == "Each"] == ["next", "failure"]


def test_states_are_listed_with_the_state_that_they_lie_in():
    assert [(name, inside) for name, _, inside in states(DEFINITION)] == [
        ("Which", ""),
        ("Each", ""),
        ("Do", "Each"),
        ("Done", ""),
    ]
