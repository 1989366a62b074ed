"""Checks of synthesized templates: cfn-lint, the ASL rules it lacks, what alarms must say, and that the CDK's own checks have run."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import states_language.rules
from cfnlint.api import lint_file
from cfnlint.config import ManualArgs
from states_language.rules import check_definition

from service_lint import alarms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

IGNORED_RULES = {
    "W3005": "the CDK writes DependsOn beside a GetAtt, which is redundant and harmless",
}
"""cfn-lint rules that are off for every template, with the reason."""

_UNKNOWN = "${KnownWhenDeployed}"


class LintError(Exception):
    """What was given cannot be checked."""


@dataclass(frozen=True, order=True)
class Finding:
    """Something wrong in a template.

    Attributes:
        template: File name of the template.
        resource: Logical id, or where in the template.
        rule: `E3012`, `ASL` or `ALARM`.
        message: What is wrong.
        construct: Path of the construct, where the template says.
    """

    template: str
    resource: str
    rule: str
    message: str
    construct: str = ""

    def __str__(self) -> str:
        """One line, the place first."""
        where = f"{self.resource} ({self.construct})" if self.construct else self.resource
        return f"{self.template}: {where}: {self.rule}: {self.message}"


def lint_assembly(assembly: Path) -> list[Finding]:
    """Check every template of a cloud assembly.

    The assembly must have been synthesized with the CDK's validation, whose findings, cdk-nag's among them, it reports.
    A template that has passed is not checked again while it and the checks stay the same.

    Args:
        assembly: The directory, usually `cdk.out`.

    Returns:
        What was found: by the CDK's validation, then in the order of the templates.

    Raises:
        LintError: It is no cloud assembly, or was synthesized without validation.
    """
    templates = sorted(assembly.glob("*.template.json"))
    if not (assembly / "manifest.json").exists() or not templates:
        raise LintError(f"{assembly} is no cloud assembly: it has no manifest.json with templates beside it")
    report = assembly / "validation-report.json"
    if not report.exists():
        raise LintError(
            f"{assembly} was synthesized without validation, so cdk-nag has not seen it; "
            f"synthesize it again without CDK_VALIDATION=false"
        )
    return [*_reported(report), *(finding for template in templates for finding in _lint_once(template))]


def _reported(report: Path) -> Iterator[Finding]:
    """What the CDK's validation found. The CDK CLI fails for it in the assembly of one stage only."""
    for plugin in json.loads(report.read_text())["pluginReports"]:
        if plugin["conclusion"] == "success":
            continue
        for violation in plugin["violations"]:
            for place in violation["violatingConstructs"]:
                path = place.get("constructPath", "app")
                yield Finding(path.partition("/")[0], path, violation["ruleName"], violation["description"])


def _lint_once(template: Path) -> list[Finding]:
    rules = [*Path(__file__).parent.glob("*.py"), Path(states_language.rules.__file__)]
    content = [
        template.read_bytes(),
        version("cfn-lint").encode(),
        *(rule.read_bytes() for rule in sorted(rules)),
    ]
    digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in content)).hexdigest()
    passed = _cache_directory() / digest
    if passed.exists():
        return []
    body = json.loads(content[0])
    findings = sorted(
        {*_cfn_lint(template, body), *_definitions(template.name, body), *_alarms(template.name, body)}
    )
    if not findings:
        passed.parent.mkdir(parents=True, exist_ok=True)
        passed.touch()
    return findings


def _cache_directory() -> Path:
    """Where the digests of what has passed are kept: below `COMMERCE_CACHE_DIR`, else the user's cache."""
    if chosen := os.environ.get("COMMERCE_CACHE_DIR"):
        return Path(chosen) / "lint"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "commerce-platform" / "lint"


def _cfn_lint(template: Path, body: Mapping[str, Any]) -> Iterator[Finding]:
    for match in lint_file(template, config=ManualArgs(ignore_checks=list(IGNORED_RULES))):
        path = [str(part) for part in getattr(match, "path", None) or ()]
        resource = path[1] if len(path) > 1 and path[0] == "Resources" else "/".join(path)
        metadata = body.get("Resources", {}).get(resource, {}).get("Metadata", {})
        inside = f" at {'/'.join(path[2:])}" if path[2:] else ""
        yield Finding(
            template=template.name,
            resource=resource or "template",
            rule=match.rule.id,
            message=f"{match.message}{inside}",
            construct=metadata.get("aws:cdk:path", ""),
        )


def _definitions(template: str, body: Mapping[str, Any]) -> Iterator[Finding]:
    """State machines, whose definition cfn-lint sees as a string when it has intrinsic functions in it."""
    for logical_id, resource in body.get("Resources", {}).items():
        if resource["Type"] != "AWS::StepFunctions::StateMachine":
            continue
        properties = resource["Properties"]
        source = properties.get("DefinitionString", properties.get("Definition"))
        kind = properties.get("StateMachineType", "STANDARD")
        yield from (
            Finding(template, logical_id, "ASL", fault, resource.get("Metadata", {}).get("aws:cdk:path", ""))
            for fault in _faults(source, kind)
        )


def _alarms(template: str, body: Mapping[str, Any]) -> Iterator[Finding]:
    for logical_id, fault in alarms.faults(body):
        path = body["Resources"][logical_id].get("Metadata", {}).get("aws:cdk:path", "")
        yield Finding(template, logical_id, "ALARM", fault, path)


def _faults(source: Any, kind: str) -> Iterable[str]:
    if isinstance(source, dict) and "StartAt" in source:
        definition = source
    else:
        try:
            definition = json.loads(_text(source))
        except ValueError as error:
            return [f"the definition is not JSON once CloudFormation has filled it in: {error}"]
    return check_definition(definition, workflow_type=kind)


def _text(value: Any) -> str:
    """A definition as CloudFormation would make it, with a token for each value known only when deployed."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(map(_text, parts))
    if isinstance(value, dict) and "Fn::Sub" in value:
        text = value["Fn::Sub"]
        return str(text if isinstance(text, str) else text[0])
    return _UNKNOWN
