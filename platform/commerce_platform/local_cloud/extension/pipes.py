"""EventBridge Pipes that filter, enrich, transform, deliver and retry.

Replaces, in `services/pipes.py`: the poll of once a second that reads streams only (213), delivery to topics and
workflows only, which holds records for a bus for ever (266); and CreatePipe, UpdatePipe and DescribePipe (476, 511,
452), which discard every parameter, as `services/cloudformation/provisioners.py` does for templates (6337). What
the local cloud cannot run is refused by name when the pipe is made.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import eventbridge, pipes
from ministack.services.cloudformation import provisioners

from commerce_platform.local_cloud.extension.guard import Guard
from commerce_platform.local_cloud.pipes.delivery import BATCH_LIMIT, ENRICHMENTS, TARGETS
from commerce_platform.local_cloud.pipes.runner import DEFAULT_BATCH, SOURCES, Dispatcher, watch_writes

if TYPE_CHECKING:
    from collections.abc import Callable

GUARDS = (
    Guard("pipes._poll_loop", "98a67a7527a8"),
    Guard("pipes._ensure_poller", "a21371869881"),
    Guard("pipes._iter_all_pipes", "a4d776f4d2fd"),
    Guard("pipes.register_pipe", "1e97f3cf6d1a"),
    Guard("pipes._create_pipe", "c62c7af22b89"),
    Guard("pipes._update_pipe", "65afd82159e7"),
    Guard("pipes._describe_response", "e61aa7f552c0"),
    Guard("pipes._initial_position", "469ed8563480"),
    Guard("cloudformation.provisioners._pipes_pipe_fields", "1bc7a76d6bd1"),
    Guard("cloudformation.provisioners._pipes_pipe_create", "594577ac8ce9"),
    Guard("cloudformation.provisioners._pipes_pipe_update", "1b436f0e7647"),
    Guard("dynamodb._emit_stream_event", "8568d0446f26"),
    Guard("dynamodb.stream_records_since", "aed31a353fda"),
    Guard("sqs._receive_messages_for_esm", "f230dbcd4974"),
    Guard("sqs._delete_messages_for_esm", "c1686f29b48b"),
    Guard("sqs._queue_by_arn", "b4981875c818"),
    Guard("eventbridge._matches_detail", "4278d284fbea"),
    Guard("eventbridge._compiled_pattern", "b60025e1a231"),
)

Body = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

PARAMETERS = (
    "SourceParameters",
    "Enrichment",
    "EnrichmentParameters",
    "TargetParameters",
    "LogConfiguration",
    "KmsKeyIdentifier",
)
"""What the emulator's record of a pipe leaves out."""


def apply() -> None:
    """Keep the parameters, and run the pipes."""
    dispatcher = Dispatcher()
    watch_writes(dispatcher)
    pipes._poll_loop = dispatcher.run
    pipes._create_pipe = _create
    pipes._update_pipe = partial(_update, pipes._update_pipe)
    pipes._describe_response = partial(_describe, pipes._describe_response)
    provisioners._pipes_pipe_fields = _fields_of_template
    provisioners._pipes_pipe_create = _create_from_template
    provisioners._RESOURCE_HANDLERS["AWS::Pipes::Pipe"]["create"] = _create_from_template


def _create(name: str, body: Body) -> Response:
    if name in pipes._pipes:
        return _refusal(409, "ConflictException", f"Pipe {name} already exists.")
    try:
        pipe = _register(body | {"Name": name})
    except ValueError as error:
        return _refusal(400, "ValidationException", str(error))
    answer: Response = pipes._json_resp(200, pipes._lifecycle_response(pipe))
    return answer


def _update(original: Callable[[str, Body], Response], name: str, body: Body) -> Response:
    pipe = pipes._pipes.get(name)
    if pipe is not None:
        try:
            _require_runnable(pipe | body)
        except ValueError as error:
            return _refusal(400, "ValidationException", str(error))
        pipe.update({key: body[key] for key in PARAMETERS if key in body})
    return original(name, body)


def _describe(original: Callable[[Body], Body], pipe: Body) -> Body:
    return original(pipe) | {key: pipe[key] for key in PARAMETERS if pipe.get(key)}


def _create_from_template(logical_id: str, props: Body, stack_name: str) -> tuple[str, Body]:
    name = props.get("Name") or provisioners._physical_name(stack_name, logical_id, max_len=64)
    pipe = _register(props | {"Name": name, "Tags": provisioners._tag_map(props.get("Tags"))})
    return name, {"Arn": pipe["Arn"], "Name": name, "CurrentState": pipe["CurrentState"]}


def _fields_of_template(props: Body) -> Body:
    fields = {key: props.get(key) or "" for key in ("Description", "RoleArn", "Target")}
    state = {"DesiredState": props.get("DesiredState", "RUNNING")}
    return fields | state | {key: props.get(key) for key in PARAMETERS}


def _refusal(status: int, code: str, message: str) -> Response:
    refusal: Response = pipes._error(status, code, message)
    return refusal


def _register(body: Body) -> Body:
    """Record a pipe. It starts only once its parameters are with it, lest its first records pass unfiltered."""
    _require_runnable(body)
    source_parameters = body.get("SourceParameters") or {}
    desired = str(body.get("DesiredState") or "RUNNING").upper()
    if desired not in pipes._VALID_REQUESTED_STATE:
        raise ValueError(
            f"DesiredState must be one of {list(pipes._VALID_REQUESTED_STATE)}, got {desired!r}."
        )
    pipe: Body = pipes.register_pipe(
        name=body["Name"],
        source=body["Source"],
        target=body["Target"],
        role_arn=body.get("RoleArn") or "",
        desired_state="STOPPED",
        starting_position=(source_parameters.get("DynamoDBStreamParameters") or {}).get(
            "StartingPosition", "LATEST"
        ),
        tags=body.get("Tags") or {},
        description=body.get("Description") or "",
    )
    pipe.update({key: body[key] for key in PARAMETERS if body.get(key)})
    pipe |= {"DesiredState": desired, "CurrentState": desired}
    return pipe


def _require_runnable(pipe: Body) -> None:
    """Refuse what AWS refuses, and by name what the local cloud cannot run."""
    source = _service(pipe, "Source", SOURCES)
    target = _service(pipe, "Target", TARGETS)
    if pipe.get("Enrichment"):
        _service(pipe, "Enrichment", ENRICHMENTS)
    parameters = pipe.get("SourceParameters") or {}
    for each in (parameters.get("FilterCriteria") or {}).get("Filters") or []:
        reason = eventbridge._parse_pattern_text(each.get("Pattern", ""))[1]
        if reason:
            raise ValueError(f"Filter pattern {each.get('Pattern')!r} is not valid: {reason}")
    group = "SqsQueueParameters" if source == "sqs" else "DynamoDBStreamParameters"
    size = int((parameters.get(group) or {}).get("BatchSize") or DEFAULT_BATCH[source])
    limit = BATCH_LIMIT.get(target)
    if limit and size > limit:
        raise ValueError(f"BatchSize must be at most {limit} for a target of type {target}, got {size}.")


def _service(pipe: Body, key: str, known: Any) -> str:
    try:
        service: str = parse_arn(pipe.get(key) or "").service
    except ArnParseError as error:
        raise ValueError(f"{key} must be an ARN, got {pipe.get(key)!r}.") from error
    if service not in known:
        raise ValueError(
            f"The local cloud runs no pipe with {key} {pipe[key]}: {service!r} is not one of {sorted(known)}."
        )
    return service
