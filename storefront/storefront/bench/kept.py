"""A benchmark's document, as JSON keeps it: which of its runs are which."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

SIDES = ("platform", "chain")


def chosen(document: Json, kind: str, side: str) -> list[Json]:
    """A side's runs of a kind: `at once`, `repeated`, `steady` or `search`."""
    return [run for run in document["runs"] if (run["kind"], run["side"]) == (kind, side)]


def largest(document: Json, side: str) -> Json:
    """A side's first run with the most orders at once."""
    found: Json = max(chosen(document, "at once", side), key=lambda run: run["orders"])
    return found


def weighed(document: Json, side: str) -> Json:
    """The run that quantities and price are of: orders that arrive steadily, else as many as there were at once."""
    return (chosen(document, "steady", side) or [largest(document, side)])[0]
