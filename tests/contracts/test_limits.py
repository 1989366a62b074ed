"""What a page says of rates and limits is what the templates say."""

from pathlib import Path

import pytest
from service_testing import of_type

from .conftest import synthesized

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "limits.md"
STAGES = ("dev", "staging", "prod")


OF_EVERY_API = {"its API", "one address"}
"""The stage's own; a service that has no others need not be on the page."""


def said():
    """The table's lines, below the heading."""
    return [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]


def limits_of(service, template):
    """What is limited -> how, as the page's table writes it."""
    (api,) = of_type(template, "AWS::ApiGateway::Stage")
    found = {}
    for each in api["MethodSettings"]:
        route = f"{each['HttpMethod']} {each['ResourcePath'][1:].replace('~1', '/')}"
        what = "its API" if route == "* *" else f"`{route}`"
        found[service, what] = f"{each['ThrottlingRateLimit']}/s, {each['ThrottlingBurstLimit']} at once"
    for acl in of_type(template, "AWS::WAFv2::WebACL"):
        rule = acl["Rules"][0]["Statement"]["RateBasedStatement"]
        found[service, "one address"] = f"{rule['Limit']} in {rule['EvaluationWindowSec']} s"
    for function in of_type(template, "AWS::Lambda::Function"):
        name = function["Handler"].rpartition(".")[0].rpartition(".runtime.")[2]
        reserved = function.get("ReservedConcurrentExecutions")
        found[service, f"function `{name}`"] = f"{reserved} reserved" if reserved else "unreserved"
    for mapping in of_type(template, "AWS::Lambda::EventSourceMapping"):
        name = mapping["EventSourceArn"]["Fn::GetAtt"][0].partition("Queue")[0]
        found[service, f"batches of `{name}`"] = f"{mapping['ScalingConfig']['MaximumConcurrency']} at once"
    return found


@pytest.fixture(scope="module")
def rows():
    by_stage = [
        {
            key: text
            for service, stacks in synthesized(stage).items()
            for key, text in limits_of(service, stacks[f"commerce-{stage}-{service}"]).items()
        }
        for stage in STAGES
    ]
    names = sorted({key for found in by_stage for key in found})
    told = {line.split(" | ")[0].removeprefix("| ") for line in said()}
    told |= {service for service, what in names if what not in OF_EVERY_API}
    return [
        f"| {service} | {what} | "
        + " | ".join(found.get((service, what), "none") for found in by_stage)
        + " |"
        for service, what in names
        if service in told
    ]


def test_the_table_has_the_figures_of_the_templates(rows):
    assert said() == rows
