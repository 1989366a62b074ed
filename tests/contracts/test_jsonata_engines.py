"""Every expression of every template means the same to the engines here as to the reference that AWS documents.

The inputs are made from what an expression reads, with whole and missing fields, empty and single-element arrays,
null, and text that hurts.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import jlens
import pytest
from states_language import jsonata_engine
from states_language.jsonata_engine import UNDEFINED

ROOT = Path(__file__).parents[2]
EXAMPLES = 8
TEXTS = ("", "A-1", "é€😀", '"\\\n', "null", "2026-01-01T00:00:00.000Z", "PLACED", "RESERVED", "ACTIVE")
NUMBERS = ("0", "1", "7", "-3", "2.5", "1e21")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def expressions_in(node):
    """Every `{% … %}` below a definition."""
    if isinstance(node, str):
        if node.startswith("{%") and node.endswith("%}"):
            yield node[2:-2].strip()
    elif isinstance(node, dict):
        for value in node.values():
            yield from expressions_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions_in(value)


@pytest.fixture(scope="session")
def expressions(definitions):
    found = (
        each for machines in definitions.values() for machine in machines for each in expressions_in(machine)
    )
    return tuple(dict.fromkeys(found))


class Inputs:
    """Variables that have what an expression reads, more or less.

    Tame ones have neither null nor text beyond ASCII: jsonata-python takes null for nothing in some functions and
    escapes such text in `$string`. It stands in only where jlens has no wheel.
    """

    def __init__(self, expression, seed, *, tame):
        self.random = random.Random(f"{seed} {expression}")  # noqa: S311 - repeatable
        self.tame = tame
        self.reads = jlens.Expression(expression).reads()["bindings"]
        # A variable of a function's name is read as that function.
        self.reads |= dict.fromkeys(re.findall(r"\$(now)\b(?!\()", expression), True)
        self.words = re.findall(r"[A-Za-z][A-Za-z0-9]+", expression)

    def variables(self):
        return {name: self.node(tree) for name, tree in self.reads.items()}

    def node(self, tree, name=""):
        if tree is True or not tree:
            return self.leaf(name)
        # A whole record most of the time, else one that lacks a field.
        whole = self.random.random() < 0.7
        record = {
            key: self.node(inner, key) for key, inner in tree.items() if whole or self.random.random() < 0.7
        }
        if name == "L" or (name and self.random.random() < 0.2):
            return [record] * self.random.choice((0, 1, 1, 2))
        return record

    def leaf(self, name):
        typed = {"S": self.text, "N": self.number, "M": self.image, "L": self.typed_list, "BOOL": self.flag}
        if name in typed:
            return typed[name]()
        if name in {"NewImage", "OldImage", "Item", "Items"}:
            return self.image()
        kinds = (
            self.text,
            self.text,
            self.count,
            self.flag,
            self.null,
            list,
            self.plain,
            lambda: [self.plain()],
        )
        return self.random.choice(kinds)()

    def text(self):
        return self.random.choice([*(text for text in TEXTS if not self.tame or text.isascii()), *self.words])

    def null(self):
        return "" if self.tame else None

    def number(self):
        return self.random.choice(NUMBERS)

    def count(self):
        return self.random.choice((0, 1, 2, 41, 2.5, -1))

    def flag(self):
        return self.random.random() < 0.5

    def plain(self):
        return {
            self.random.choice(self.words): self.random.choice((self.text(), self.count(), self.null()))
            for _ in range(3)
        }

    def image(self):
        return {self.random.choice(self.words): self.typed(2) for _ in range(self.random.choice((0, 1, 6)))}

    def typed_list(self):
        return [self.typed(1) for _ in range(self.random.choice((0, 1, 3)))]

    def typed(self, depth):
        kind = self.random.choice(("S", "S", "N", "BOOL", "NULL", *(("M", "L") if depth else ())))
        if kind == "M":
            return {"M": {self.random.choice(self.words): self.typed(depth - 1) for _ in range(2)}}
        if kind == "L":
            return {"L": [self.typed(depth - 1) for _ in range(self.random.choice((0, 1, 2)))]}
        return {kind: True if kind == "NULL" else self.leaf(kind)}


def cases(expressions, *, tame):
    return [
        {"expression": expression, "variables": Inputs(expression, seed, tame=tame).variables()}
        for expression in expressions
        for seed in range(EXAMPLES)
    ]


def by_reference(given):
    ran = subprocess.run(
        [
            shutil.which("node") or "node",
            ROOT / "tests/contracts/reference_jsonata.mjs",
            ROOT / "node_modules",
        ],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


def by_engine(engine, case):
    try:
        value = engine(case["expression"], case["variables"])
    except Exception as error:  # noqa: BLE001 - whatever an engine raises
        return {"error": getattr(error, "code", None) or getattr(error, "error", None) or str(error)}
    return {"nothing": True} if value is UNDEFINED else {"value": value}


def comparable(answer):
    """Without the moment of evaluation; of an error only that it is one: each engine words its own."""
    if "error" in answer:
        return "error"
    return json.loads(MOMENT.sub("<moment>", json.dumps(answer)))


def differences(engine, given):
    for case, expected in zip(given, by_reference(given), strict=True):
        found = by_engine(engine, case)
        if comparable(found) != comparable(expected):
            yield {**case, "expected": expected, "found": found}


def from_text(expression, variables):
    """By way of JSON text where an expression allows it."""
    given = variables.get("states", {})
    if "input" not in given or not jsonata_engine.reads_only_input(expression):
        return jsonata_engine.with_jlens(expression, variables)
    found = jsonata_engine.evaluate_input(expression, json.dumps(given["input"]))
    return UNDEFINED if found is None else json.loads(found)


def cases_of_input(expressions):
    """For expressions that read nothing else, so that no variable stands where a function does."""
    alone = [each for each in expressions if jsonata_engine.reads_only_input(each)]
    assert len(alone) > 20
    for case in cases(alone, tame=False):
        variables = {"states": case["variables"].get("states", {})}
        # To jlens a function gives nothing where it gives null: `$parse('null')` (see `jsonata_engine._parse`).
        if '"body": "null"' not in json.dumps(variables):
            yield {**case, "variables": variables}


@pytest.mark.parametrize(
    ("engine", "tame"), [(jsonata_engine.with_jlens, False), (jsonata_engine.with_jsonata_python, True)]
)
def test_every_expression_means_what_the_reference_says(engine, tame, expressions):
    assert len(expressions) > 80
    found = list(differences(engine, cases(expressions, tame=tame)))
    assert found == [], f"{len(found)} differences"


def test_from_text_every_expression_means_what_the_reference_says(expressions):
    found = list(differences(from_text, list(cases_of_input(expressions))))
    assert found == [], f"{len(found)} differences"


def test_from_text_every_result_is_spelled_as_from_objects(expressions):
    for case in cases_of_input(expressions):
        found, expected = (by_engine(engine, case) for engine in (from_text, jsonata_engine.with_jlens))
        if "error" not in expected:
            assert MOMENT.sub("", json.dumps(found)) == MOMENT.sub("", json.dumps(expected)), case


def templates_in(node):
    """The expressions of every `Arguments`, `Output` and `Assign` below a definition that has several."""
    if isinstance(node, dict):
        for name, value in node.items():
            found = tuple(expressions_in(value)) if name in {"Arguments", "Output", "Assign"} else ()
            if len(found) > 1:
                yield found
            yield from templates_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from templates_in(value)


def one_by_one(expressions, variables):
    found = [by_engine(jsonata_engine.evaluate, case(each, variables)) for each in expressions]
    return [each["value"] for each in found] if all("value" in each for each in found) else None


def case(expression, variables):
    return {"expression": expression, "variables": variables}


def test_a_template_s_expressions_give_together_what_they_give_one_by_one(definitions):
    machines = [machine for found in definitions.values() for machine in found]
    templates = tuple(dict.fromkeys(each for machine in machines for each in templates_in(machine)))
    assert len(templates) > 20
    whole = 0
    for template in templates:
        for seed in range(EXAMPLES):
            variables = Inputs(jsonata_engine._joined(template), seed, tame=False).variables()
            expected = one_by_one(template, variables)
            found = jsonata_engine.evaluate_together(template, variables)
            assert MOMENT.sub("", json.dumps(found)) == MOMENT.sub("", json.dumps(expected)), template
            whole += found is not None
    assert whole > len(templates)


@pytest.mark.parametrize(
    ("expressions", "together"),
    [
        (
            ["$states.input.a[b = 1]", "[$states.input.a]", "null", "($x := 1; $x)"],
            [{"b": 1}, [{"b": 1}], None, 1],
        ),
        (["($order := 2; $order)", "$order"], [2, 1]),
        ([*map(str, range(12))], [*range(12)]),
        (["1 /* a comment */", "2"], [1, 2]),
        (["1"], None),
        (["1", "$states.input.none"], None),
        (["1", "$error('no')"], None),
        (["1", "$range(1, 5000, 1)"], None),
        (["1), 'x': (2", "3"], None),
    ],
)
def test_expressions_evaluated_together_do_not_know_each_other(expressions, together):
    variables = {"states": {"input": {"a": {"b": 1}}}, "order": 1}
    assert jsonata_engine.evaluate_together(expressions, variables) == together


@pytest.mark.parametrize(
    ("expression", "alone"),
    [
        ("$states.input.a", True),
        ("($f := function($r) { $r.* }; $f($states.input))", True),
        ("$hash($string($parse($states.input.body)), 'MD5')", True),
        ("$states.input.a & $states.context.Execution.Name", False),
        ("$string($states)", False),
        ("$states.input & $order", False),
        ("sku", False),
        ("$states.input.(", False),
    ],
)
def test_what_reads_more_than_its_input_is_not_evaluated_from_text(expression, alone):
    assert jsonata_engine.reads_only_input(expression) is alone


@pytest.mark.parametrize("name", ["now", "count", "order"])
def test_a_variable_may_have_the_name_of_a_function(name):
    assert jsonata_engine.with_jlens(f"${name}.a", {name: {"a": 1, "b": 2}}) == 1
