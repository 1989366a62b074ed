"""Mutants, and what is made of their results."""

from __future__ import annotations

import dataclasses

import pytest
from commerce_platform.cli import mutants
from commerce_platform.cli.errors import CliError

RESULTS = """\
    toy.rules.x_total__mutmut_1: killed
    toy.rules.x_total__mutmut_2: survived
    toy.rules.x_total__mutmut_12: timeout
    toy.rules.xǁCartǁput__mutmut_1: no tests
    toy.words.x_say__mutmut_2: survived
    toy.words.x_say__mutmut_3: not checked
"""


@pytest.fixture
def campaign(tmp_path):
    return mutants.Campaign(
        project=tmp_path,
        name="runtime",
        package="toy",
        only=("toy/*",),
        tests=("tests",),
        killed_percent=50,
        without_survivors=("toy/rules.py",),
    )


def test_what_no_test_reaches_counts_as_what_no_test_notices():
    score = mutants.score_of(RESULTS)
    assert (score.killed, len(score.survivors), score.percent) == (2, 3, 40.0)
    assert "toy.rules.xǁCartǁput__mutmut_1" in score.survivors


def test_what_was_not_tried_counts_for_nothing():
    assert mutants.score_of("    toy.words.x_say__mutmut_3: not checked\n").percent == 100.0


@pytest.mark.parametrize(("commit", "digit"), [("0", "0"), ("c", "2"), ("fdc8fdd", str(0xFDC8FDD % 10))])
def test_a_commit_chooses_the_mutants_whose_number_ends_with_its_digit(commit, digit):
    assert mutants.last_digit(commit) == digit


def test_a_sample_has_only_what_its_commit_chooses():
    score = mutants.score_of(RESULTS, "2")
    assert score.killed == 1
    assert score.survivors == ("toy.rules.x_total__mutmut_2", "toy.words.x_say__mutmut_2")


@pytest.mark.parametrize("sample", ["HEAD", "main", "12g"])
def test_a_sample_that_is_no_commit_is_refused(sample):
    with pytest.raises(CliError, match=r"SAMPLE is a commit's id, such as \$\(git rev-parse HEAD\)"):
        mutants.last_digit(sample)


def test_where_none_may_survive_the_names_of_those_that_did_are_told(campaign):
    unbearable = mutants.score_of(RESULTS).where_none_may_be(campaign)
    assert unbearable == ("toy.rules.x_total__mutmut_2", "toy.rules.xǁCartǁput__mutmut_1")


def test_constructs_are_tried_one_at_a_time_as_they_share_one_process(campaign):
    assert campaign.children == mutants.CHILDREN
    assert dataclasses.replace(campaign, constructs=True).children == 1


def test_a_project_without_a_declaration_says_where_it_belongs(workspace):
    (workspace.root / "cart-service" / "pyproject.toml").write_text('[project]\nname = "cart-service"\n')
    with pytest.raises(CliError, match=r"Nothing is declared as \[\[tool.mutants\]\] in cart-service"):
        mutants.campaigns(workspace, "cart-service")
