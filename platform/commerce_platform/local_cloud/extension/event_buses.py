"""Event buses of other accounts: events put on them, rules that forward to them, and the policies that allow it.

Replaces, in `services/eventbridge.py`: `_dispatch_to_event_bus` (2308), which drops an event for another account's bus with
a log line; and the refusal of such a bus in PutEvents (891). As on AWS, an event that came from another bus is not passed
on to a third, the event keeps the account and region that it was put in, and the policy of another account's bus decides
(`core/iam_evaluator.py`); what it refuses goes to the target's dead-letter queue. Within one account no policy is asked.

In `services/cloudformation/provisioners.py`: AWS::Events::EventBusPolicy is absent.
"""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from ministack.core.arn import Arn, ArnParseError, parse_arn
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region, new_uuid, request_scope
from ministack.services import eventbridge
from ministack.services.cloudformation import provisioners

from commerce_platform.local_cloud.extension.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("local_cloud.event_buses")

GUARDS = (
    Guard("eventbridge._dispatch_to_event_bus", "fef5c8d488f1"),
    Guard("eventbridge._dispatch_event", "d1bfe064f602"),
    Guard("eventbridge._archive_event", "e4ec52f03a32"),
    Guard("eventbridge._delete_event_bus", "39a5cc3a820b"),
    Guard("core.iam_evaluator.evaluate_resource_policy", "e49ce7161ad6"),
)

Json = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

PUT = "events:PutEvents"


def apply() -> None:
    """Let events cross accounts."""
    eventbridge._dispatch_to_event_bus = partial(_forward, eventbridge._dispatch_to_event_bus)
    provisioners._RESOURCE_HANDLERS["AWS::Events::EventBusPolicy"] = {
        "create": _create_statement,
        "update": _update_statement,
        "delete": _delete_statement,
    }


def foreign(bus: str) -> Arn | None:
    """The ARN of a bus of another account or region; None for one's own, however it is called."""
    try:
        found = parse_arn(bus)
    except ArnParseError:
        return None
    is_here = (found.account_id, found.region) == (get_account_id(), get_region())
    return None if is_here or not found.resource.startswith("event-bus/") else found


def put(bus: Arn, entry: Json) -> Json:
    """Put an entry on another account's bus.

    Returns:
        The entry's result.
    """
    event = {
        "EventId": new_uuid(),
        "Source": entry["Source"],
        "DetailType": entry["DetailType"],
        "Detail": entry["Detail"],
        "Time": int(eventbridge._now_ts()),
        "Resources": entry.get("Resources", []),
        "Account": get_account_id(),
        "Region": get_region(),
    }
    if not _exists(bus):
        return {"ErrorCode": "ResourceNotFoundException", "ErrorMessage": f"{bus} does not exist."}
    if refusal := refused(bus, event):
        return {"ErrorCode": "AccessDeniedException", "ErrorMessage": refusal}
    _deliver(bus, event)
    return {"EventId": event["EventId"]}


def _exists(bus: Arn) -> bool:
    return bool(eventbridge._event_buses.contains_scoped(bus.account_id, bus.region, _name(bus)))


def _name(bus: Arn) -> str:
    return str(bus.resource).partition("/")[2]


def refused(bus: Arn, event: Json) -> str:
    """Why the policy of a bus keeps an event of this account out; empty if it does not."""
    sender = get_account_id()
    if sender == bus.account_id or _allows(bus, sender, event):
        return ""
    return f"arn:aws:iam::{sender}:root is not authorized to perform: {PUT} on resource: {bus}"


def _deliver(bus: Arn, event: Json) -> None:
    with request_scope(bus.account_id, bus.region):
        arrived = {key: value for key, value in event.items() if key != "_DispatchPath"}
        arrived["EventBusName"] = _name(bus)
        eventbridge._dispatch_event(arrived)
        eventbridge._archive_event(arrived)


def _allows(bus: Arn, sender: str, event: Json) -> bool:
    context = EvalContext(
        principal_arn=f"arn:aws:iam::{sender}:root",
        principal_type="Root",
        principal_account=sender,
        action=PUT,
        resource_arn=str(bus),
        region=bus.region,
        service_context={"events:source": event["Source"], "events:detail-type": event["DetailType"]},
    )
    policy = eventbridge._event_bus_policies.get_scoped(bus.account_id, bus.region, _name(bus))
    return bool(evaluate_resource_policy(policy, context).decision == "Allow")


def _forward(  # noqa: PLR0917 - the signature of the emulator
    original: Callable[..., None],
    spec: Arn,
    event: Json,
    rule: Json,
    event_path: set[str],
    payload: Any = None,
) -> None:
    if (event.get("Account"), event.get("Region")) != (get_account_id(), get_region()):
        logger.warning("Rule %s: an event from another bus is not passed on to a third", rule.get("Name"))
    elif foreign(str(spec)) is None:
        original(spec, event, rule, event_path, payload)
    else:
        _deliver(spec, event if payload is None else {**event, "Detail": payload})


# --- CloudFormation -----------------------------------------------------------------------------------------------------


def _create_statement(_logical_id: str, props: Json, _stack_name: str) -> tuple[str, Json]:
    _put_statement(props)
    return f"{props.get('EventBusName', 'default')}|{props['StatementId']}", {}


def _update_statement(physical_id: str, _old: Json, new: Json, _stack_name: str) -> tuple[str, Json]:
    _put_statement(new)
    return physical_id, {}


def _put_statement(props: Json) -> None:
    statement = props["Statement"]
    statement = json.loads(statement) if isinstance(statement, str) else statement
    bus, sid = props.get("EventBusName", "default"), props["StatementId"]
    others = _statements(bus, without=sid)
    eventbridge._event_bus_policies[bus] = {
        "Version": "2012-10-17",
        "Statement": [*others, {**statement, "Sid": sid}],
    }


def _delete_statement(physical_id: str, _props: Json) -> None:
    eventbridge._remove_permission(
        dict(zip(("EventBusName", "StatementId"), physical_id.split("|"), strict=True))
    )


def _statements(bus: str, *, without: str) -> list[Json]:
    policy = eventbridge._event_bus_policies.get(bus) or {"Statement": []}
    return [each for each in policy["Statement"] if each.get("Sid") != without]
