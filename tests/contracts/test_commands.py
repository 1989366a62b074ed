"""Every command that a page shows exists: make's verbs and variables, AWS's operations and parameters."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted({*ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("*.md")})
"""All that people read."""

OUTSIDE = {"configure", "s3", "sso"}
"""What the AWS CLI has of its own, without an operation of that name."""

EVERYWHERE = {
    *("cli-input-json", "debug", "no-cli-pager", "output", "profile", "query", "region"),
    *("max-items", "page-size", "starting-token", "no-paginate"),
}
"""What the AWS CLI takes with every operation."""

OURS = {"COMMERCE_LOCAL_DIR", "PYTHON"}
"""Variables of the environment that the Makefile passes on."""

FENCE = re.compile(r"^( *)```(?:sh|bash|ini)?\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:make|aws|npx) [^`]+)`")


def commands(text: str) -> list[str]:
    """The commands of a page: lines of its blocks, put together where they go on, and those within sentences."""
    blocks = (body.replace("\\\n", " ") for _, body in FENCE.findall(text))
    lines = [
        part.strip()
        for body in blocks
        for line in body.splitlines()
        for part in re.split(r"&&|\||\$\(", line)
    ]
    return [re.sub(r"\s+", " ", each) for each in (*lines, *INLINE.findall(text))]


def shown(program: str) -> list[tuple[str, str]]:
    return [
        (page.relative_to(ROOT).as_posix(), command)
        for page in PAGES
        for command in commands(page.read_text())
        if command.startswith(f"{program} ")
    ]


@cache
def makefiles() -> str:
    return "\n".join(path.read_text() for path in (ROOT / "Makefile", *ROOT.glob("*-service/Makefile")))


def test_every_verb_and_variable_of_make_exists():
    verbs = set(re.findall(r"^([a-z-]+):.*## ", makefiles(), re.MULTILINE))
    variables = OURS | set(re.findall(r"(?:call given,|\$\(|origin )([A-Z]+)", makefiles()))
    wrong = []
    found = shown("make")
    for page, command in found:
        # Optional ones are in brackets; a comment follows two spaces or #.
        said = re.split(r"[#)]| {2}", re.sub(r"[\[\]]|'[^']*'", "", command))[0]
        verb, *others = re.findall(r"(?:^make| )([\w-]+(?==)|[a-z-]+(?= |$))", said) or [""]
        wrong += [
            f"{page}: {command!r} has {name!r}"
            for name in filter(None, (verb.strip(), *others))
            if name not in (variables if name.isupper() else verbs | {"make"})
        ]
    assert len(found) > 100
    assert wrong == []


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def fault(command: str) -> str:
    """What of an AWS command there is not; empty if there is all of it."""
    words = shlex.split(re.sub(r" > .*", "", command))
    service, operation, given = words[1], words[2], words[3:]
    if service in OUTSIDE:
        return ""
    session = botocore.session.get_session()
    try:
        model = session.get_service_model(service)
    except UnknownServiceError:
        return f"there is no service {service}"
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if operation == "wait":  # for what an operation says
        operation = xform_name(session.get_waiter_model(service).get_waiter(_camel(given[0])).operation, "-")
    if operation not in names:
        return f"{service} has no {operation}"
    shape = model.operation_model(names[operation]).input_shape
    taken = shape.members if shape else {}
    members = {xform_name(name, "-"): name for name in taken}
    flags = {word[2:].partition("=")[0] for word in given if word.startswith("--")}
    yes_or_no = {f"no-{name}" for name, member in members.items() if taken[member].type_name == "boolean"}
    if unknown := flags - {*members, *yes_or_no, *EVERYWHERE}:
        return f"{operation} takes no {', '.join(sorted(unknown))}"
    required = {xform_name(name, "-") for name in (shape.required_members if shape else ())}
    # Within a sentence only the operation is named.
    said = flags | {flag.removeprefix("no-") for flag in flags}
    if given and "…" not in command and (missing := required - said) and "cli-input-json" not in flags:
        return f"{operation} needs {', '.join(sorted(missing))}"
    return ""


def test_every_operation_of_aws_and_each_of_its_parameters_exists():
    found = shown("aws")
    assert len(found) > 20
    assert [f"{page}: {command}: {why}" for page, command in found if (why := fault(command))] == []


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("aws dynamodb list-tables", ""),
        ("aws dynamodb drop-table --table-name x", "dynamodb has no drop-table"),
        ("aws dynamodb describe-table --name x", "describe-table takes no name"),
        ("aws dynamodb describe-table --region eu-west-1", "describe-table needs table-name"),
        ("aws dynamo list-tables", "there is no service dynamo"),
        ("aws dynamodb wait table-exists --table-name x", ""),
        (
            "aws cloudformation update-termination-protection --stack-name x --no-enable-termination-protection",
            "",
        ),
        ("aws dynamodb wait table-exists --name x", "describe-table takes no name"),
    ],
)
def test_what_there_is_not_is_found(command, why):
    assert fault(command) == why


def test_what_a_page_orders_is_for_sale():
    goods = json.loads((ROOT / "storefront" / "storefront" / "goods.json").read_text())
    ordered = {
        (page, sku)
        for page, command in shown("make")
        for sku in re.findall(r"SKU=([A-Z][A-Z0-9-]+)", command)
    }
    assert ordered
    assert [each for each in sorted(ordered) if each[1] not in str(goods)] == []
