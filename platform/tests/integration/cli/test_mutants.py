"""A project's mutants, made and tried."""

from __future__ import annotations

import textwrap

import pytest
from commerce_platform.cli import mutants
from rich.console import Console


@pytest.fixture
def project(workspace, monkeypatch):
    """A project with two functions, of which a test knows one."""
    monkeypatch.setattr(mutants, "_PRELOADED", ("pytest",))
    folder = workspace.root / "cart-service"
    for path, text in {
        "pyproject.toml": """
            [[tool.mutants]]
            name = "runtime"
            package = "toy"
            only = ["toy/*"]
            tests = ["tests"]
            killed_percent = 60
            """,
        "toy/__init__.py": "",
        "toy/rules.py": """
            def total(quantity, price):
                return quantity * price


            def is_large(amount):
                return amount > 100
            """,
        "tests/test_rules.py": """
            from toy import rules


            def test_a_total():
                assert rules.total(2, 3) == 6
            """,
    }.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(textwrap.dedent(text))
    return folder


def run(workspace) -> tuple[int, str]:
    output = Console(record=True, width=200, quiet=False, file=None)
    with output.capture() as said:
        status = mutants.run(workspace, "cart-service", None, output)
    return status, said.get()


def test_a_project_is_tried_and_its_survivors_are_told_until_a_test_notices_them(workspace, project):
    status, said = run(workspace)
    assert status == mutants.SURVIVED
    assert "survived: toy.rules.x_is_large__mutmut_1" in said
    assert "x_total" not in said

    tests = project / "tests" / "test_rules.py"
    tests.write_text(
        tests.read_text()
        + "\n\ndef test_large():\n    assert [rules.is_large(n) for n in (100, 101)] == [False, True]\n"
    )
    status, said = run(workspace)
    assert (status, "survived" in said) == (0, False)
    assert "100.0 %" in said


def test_tests_that_fail_by_themselves_say_nothing_of_mutants(workspace, project):
    (project / "tests" / "test_rules.py").write_text("def test_that_fails():\n    assert False\n")
    status, said = run(workspace)
    assert status == mutants.FAILED
    assert "the tests fail without any" in said
    assert "(cd cart-service && pytest tests)" in said
