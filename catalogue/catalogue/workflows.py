"""A page per workflow, with its state machine as a picture."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from catalogue.drawing import Drawing, Edge, Node
from catalogue.markdown import Page, address, code, facts, figure, table, text, title

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catalogue.model import Catalogue, Part

LONGEST = 60
"""Of a condition's text in a table; the template has it whole."""


def page(catalogue: Catalogue, workflow: Part) -> Page:
    """Where a workflow stands."""
    return Page(address(catalogue, workflow), catalogue)


@dataclass(frozen=True)
class Step:
    """A way from a state to another.

    Attributes:
        target: The state's name.
        label: A word or two: what must be so.
        kind: `next`, `choice`, `default` or `failure`.
        condition: The whole condition or the errors caught.
    """

    target: str
    label: str = ""
    kind: str = "next"
    condition: str = ""


def steps(state: Mapping[str, Any]) -> Iterator[Step]:
    """Where a state leads."""
    if "Next" in state:
        yield Step(state["Next"])
    for number, choice in enumerate(state.get("Choices", ()), 1):
        yield Step(choice["Next"], str(number), "choice", _words(str(choice.get("Condition", ""))))
    if "Default" in state:
        yield Step(state["Default"], "else", "default", "otherwise")
    for catch in state.get("Catch", ()):
        yield Step(catch["Next"], "on error", "failure", ", ".join(catch["ErrorEquals"]))


def _words(expression: str) -> str:
    """An expression without the frame and the comments, shortened."""
    inner = re.sub(r"/\*.*?\*/", "", expression, flags=re.DOTALL).removeprefix("{%").removesuffix("%}")
    inner = " ".join(inner.split()).replace("`", "'")
    return inner if len(inner) <= LONGEST else f"{inner[:LONGEST]}…"


def machines(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The state machines inside a Map or a Parallel state."""
    yield from (state[key] for key in ("ItemProcessor", "Iterator") if key in state)
    yield from state.get("Branches", ())


@dataclass
class _Picture:
    """Nodes and edges, as they are found."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def machine(self, machine: Mapping[str, Any], prefix: str, group: str) -> None:
        start, end = f"{prefix}start", f"{prefix}end"
        self.nodes.append(Node(id=start, label="start", kind="begin", group=group))
        self.edges.append(Edge(source=start, target=f"{prefix}{machine['StartAt']}"))
        ends = False
        for name, state in machine["States"].items():
            node = f"{prefix}{name}"
            href = f"#{anchor(name)}"
            kind = str(state["Type"]).lower()
            self.nodes.append(
                Node(id=node, label=name, kind=kind, href=href, title=f"{kind} state {name}", group=group)
            )
            for step in steps(state):
                title = f"{name} to {step.target}: {step.condition}" if step.condition else ""
                target = f"{prefix}{step.target}"
                self.edges.append(
                    Edge(source=node, target=target, label=step.label, kind=step.kind, title=title)
                )
            if state.get("End") or state["Type"] == "Succeed":
                ends = True
                self.edges.append(Edge(source=node, target=end))
            for number, inner in enumerate(machines(state)):
                self.machine(inner, f"{node}/{number}/", node)
        if ends:
            self.nodes.append(Node(id=end, label="end", kind="finish", group=group))


def drawing(workflow: Part) -> Drawing:
    """The state machine."""
    picture = _Picture()
    picture.machine(workflow.definition or {}, "", "")
    return Drawing(
        title=f"The states of {workflow.name}",
        nodes=picture.nodes,
        edges=picture.edges,
        direction="DOWN",
        # What comes back to a state points up.
        options={"elk.layered.cycleBreaking.strategy": "DEPTH_FIRST"},
    )


def anchor(state: str) -> str:
    """A state's row."""
    return "state-" + re.sub(r"\W+", "-", state.lower()).strip("-")


def states(machine: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Every state, with its name and the state that it lies in."""
    for name, state in machine["States"].items():
        yield name, state, inside
        for inner in machines(state):
            yield from states(inner, name)


def write(page: Page, workflow: Part, svg: str) -> str:
    """A workflow's page."""
    catalogue, definition = page.catalogue, workflow.definition or {}
    return text(
        title(workflow),
        f"# {workflow.name}",
        str(definition.get("Comment", "")),
        facts(
            [
                ("Service", page.service(workflow.service)),
                *((name.capitalize(), value) for name, value in workflow.settings.items()),
                ("Made by", code(workflow.path)),
            ]
        ),
        "## States",
        figure(svg, f"The states of {workflow.name}"),
        table(
            ("state", "type", "in", "does", "then", "on error"), [_row(*each) for each in states(definition)]
        ),
        "## What it touches",
        page.flows(catalogue.around([workflow.id])),
    )


def _row(name: str, state: Mapping[str, Any], inside: str) -> tuple[str, ...]:
    resource = re.sub(r"^arn:aws:states:::", "", str(state.get("Resource", "")))
    then = [
        f"{step.target} if {code(step.condition)}" if step.kind == "choice" else step.target
        for step in steps(state)
        if step.kind != "failure"
    ]
    caught = [f"{step.condition}: {step.target}" for step in steps(state) if step.kind == "failure"]
    retried = [
        f"{', '.join(retry['ErrorEquals'])}: again, {retry.get('MaxAttempts', 3)} times"
        for retry in state.get("Retry", ())
    ]
    what = code(resource) or code(str(state.get("Error", ""))) or str(state.get("Comment", ""))
    return (
        f'<span id="{anchor(name)}">{name}</span>',
        str(state["Type"]),
        inside,
        what,
        "<br>".join(then) or ("end" if state.get("End") else ""),
        "<br>".join(retried + caught),
    )
