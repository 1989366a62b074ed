"""What every alarm must tell whoever it wakes: the owner, a runbook, and a saved query over logs that exist."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ALARMS = frozenset({"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"})
DESCRIPTION = re.compile(
    r"(?P<means>\S.+\.) First: (?P<first>\S.+\.)\n\nOwner: (?P<owner>[a-z]+(?:-[a-z]+)*-team)"
    r"\n\nRunbook: (?P<runbook>https?://\S+/runbooks\.html#[a-z-]+)\n\nQuery: (?P<query>commerce/\S+)"
)
"""The form of an alarm's description."""


def faults(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the alarms of a template.

    Args:
        template: The template, parsed.

    Yields:
        Logical id of an alarm, and what it lacks.
    """
    resources = template.get("Resources", {})
    queries = {
        each["Properties"]["Name"]: each["Properties"]
        for each in resources.values()
        if each["Type"] == "AWS::Logs::QueryDefinition"
    }
    for name, resource in resources.items():
        if resource["Type"] in ALARMS:
            yield from ((name, fault) for fault in _of_alarm(resource["Properties"], queries, template))


def _of_alarm(
    alarm: Mapping[str, Any], queries: Mapping[str, Any], template: Mapping[str, Any]
) -> Iterator[str]:
    told = DESCRIPTION.fullmatch(str(alarm.get("AlarmDescription", "")))
    if not told:
        yield (
            "the description must read 'What it means. First: what to do.', and say Owner, Runbook and Query in "
            f"paragraphs of their own; got {alarm.get('AlarmDescription')!r}"
        )
        return
    query = queries.get(told["query"])
    if query is None:
        yield f"the query {told['query']} is not saved here; saved are {', '.join(sorted(queries)) or 'none'}"
        return
    groups = query.get("LogGroupNames") or []
    unknown = [json.dumps(group) for group in groups if not _exists(group, template)]
    if unknown or not groups:
        yield f"the query {told['query']} reads {', '.join(unknown) or 'no log group'}, which is not here"


def _exists(group: Any, template: Mapping[str, Any]) -> bool:
    """A log group of this template, or one whose name the platform has published."""
    name = group.get("Ref") if isinstance(group, dict) else None
    if name in template.get("Parameters", {}):
        default = str(template["Parameters"][name].get("Default", ""))
        return re.fullmatch(r"/commerce/\w+/platform/event-log-name/v\d+", default) is not None
    found = template["Resources"].get(name)
    return found is not None and found["Type"] == "AWS::Logs::LogGroup"
