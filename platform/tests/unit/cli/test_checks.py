from __future__ import annotations

import pytest
from commerce_platform.cli.checks import unfit_lines

# Put together here, so that this file itself is fit.
INDEX = "https://" + "pypi" + ".org/simple"
HOME = "/" + "home/alice/code"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (f"see {INDEX}", "a package registry or mirror"),
        ("--index" + "-url https://mirror.example/simple", "a package registry or mirror"),
        ('"resolved"' + ': "https://mirror.example/x.tgz"', "a package registry or mirror"),
        ("registry" + " = https://mirror.example", "a package registry or mirror"),
        (f"root = {HOME}", "a path of one machine"),
    ],
)
def test_what_must_not_be_committed_is_found_with_its_place(line, what):
    (found,) = unfit_lines("docs/x.md", f"fine\n{line}\n")
    assert found.startswith(f"docs/x.md:2: names {what}")


@pytest.mark.parametrize(
    "line", ["registry of services", "GET /home/page", "omit-lockfile-registry-resolved=true"]
)
def test_what_only_looks_like_it_is_fine(line):
    assert not list(unfit_lines("docs/x.md", line))
