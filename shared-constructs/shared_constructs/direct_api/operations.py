"""What a route does: one class per operation, each turning itself into an integration."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn

from shared_constructs.direct_api.conditions import Condition, Operator, Require, SortCondition
from shared_constructs.direct_api.outcomes import Outcome, Problem, Succeed
from shared_constructs.direct_api.shapes import Scalar, Structure, structure_of
from shared_constructs.direct_api.templates import (
    FORM,
    JSON,
    JSON_IN_FORM,
    JSON_IN_STRING,
    Bindings,
    Expressions,
    RouteError,
    holds,
    joined,
    object_of,
)
from shared_constructs.direct_api.values import (
    ANYTHING,
    BodyField,
    Context,
    Document,
    Parameter,
    Part,
    Source,
    Text,
    Value,
)
from shared_constructs.direct_api.vtl import json_string, literal, url_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import aws_events as events
    from pydantic import BaseModel

NOT_FOUND: Final = Problem(404, "There is no such resource.")
EXISTS: Final = Problem(409, "The resource already exists.")
STALE: Final = Problem(412, "The resource has another version than If-Match requires, or does not exist.")
UNAVAILABLE: Final = Problem(503, "The service is busy; try again.", retry_after_seconds=1)
INTERNAL: Final = Problem(500, "The request could not be processed.")
TIMED_OUT: Final = Problem(504, "The request took too long; its outcome is unknown.")

_CONDITIONAL: Final = "ConditionalCheckFailedException"

#: Position parts of a cursor: URL-safe base64, at most 1,600 characters each.
_BASE64: Final = "([A-Za-z0-9_-]{4}){0,400}([A-Za-z0-9_-]{2}==|[A-Za-z0-9_-]{3}=)?"

#: Errors of the services that mean a bad value. A wrong expression of ours would look the same: tests find that.
_INVALID: Final = (
    "(ValidationException|SerializationException|InvalidParameter.*|InvalidExecutionInput|InvalidName|"
    "InvalidMessageContents|MissingParameter|MalformedDetail)"
)
#: Errors that a repetition can cure.
_BUSY: Final = (
    "(ProvisionedThroughputExceededException|ThrottlingException|ThrottledException|Throttling|RequestLimitExceeded|"
    "RequestThrottled|TransactionConflictException|ReplicatedWriteConflictException|LimitExceededException|"
    "ExecutionLimitExceeded|ServiceQuotaExceededException|InternalServerError|InternalException|ServiceUnavailable)"
)


@dataclass(frozen=True, kw_only=True)
class RouteContext:
    """What an operation knows of its route and stack.

    Attributes:
        service: short name of the service, `product`.
        stage: name of the stage.
        event_bus: returns the platform's bus.
    """

    service: str
    stage: str
    bus: BusOfStack


class BusOfStack(Protocol):
    """Finds the platform's event bus, only when a route needs it."""

    def __call__(self) -> events.IEventBus:
        """Return the bus."""


@dataclass(frozen=True, kw_only=True)
class MethodIntegration:
    """An AWS service integration, ready to be attached to a method.

    Attributes:
        service: API Gateway's name of the AWS service.
        action: of its API; or `path` for the path-style call.
        request: mapping template of the request.
        responses: mapping templates by group: 200 (service said 2xx), 400 (4xx), 500 (anything else).
        success_status: what a 2xx of the service is answered with.
        permissions: what the API's role needs.
        headers: static headers of the service call.
        bindings: the variables of all templates, for the route's checks.
        keys: table, index and key attributes to compare with the table's schema.
    """

    service: str
    request: str
    responses: Mapping[str, str]
    success_status: int
    permissions: Sequence[iam.PolicyStatement]
    bindings: Sequence[Bindings]
    action: str | None = None
    path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[Any, str | None, Mapping[str, Value]] | None = None


class Operation(Protocol):
    """An operation that becomes an AWS service integration."""

    @property
    def request_model(self) -> type[BaseModel] | None:
        """The model that the body must fit."""

    def integration(self, route_context: RouteContext) -> MethodIntegration:
        """Write the templates."""


# -------------------------------------------------------------------------------------------------- shared pieces
def _table(table: Any) -> dynamodb.ITable:
    held: dynamodb.ITable = getattr(getattr(table, "resources", None), "table", table)
    return held


def _shape(model: type[BaseModel] | None) -> Structure | None:
    return structure_of(model, "request") if model else None


def _request(bindings: Bindings, accepted: str, refused: str) -> str:
    """A request template: the call if every value is acceptable, else one that the service refuses with 400."""
    return f"#set($ok = true)\n{bindings.head()}\n#if($ok)\n{accepted}\n#else\n{refused}\n#end"


def _form_request(bindings: Bindings, accepted: str, refused: str) -> str:
    """The same for a form-encoded body, to which a line break anywhere would belong."""
    return f"#set($ok = true){bindings.head()}#if($ok){accepted}#end#if(!$ok){refused}#end".replace("\n", "")


def _response(bindings: Bindings, content: str) -> str:
    """A response template; every answer carries the correlation id."""
    correlation = bindings.reference(Context.CORRELATION_ID)
    return f"{bindings.head()}\n#set($context.responseOverride.header.X-Correlation-Id = {correlation})\n{content}"


def _answers() -> Bindings:
    return Bindings(checks=False)


def _failures(
    rules: Sequence[str], *, special: tuple[str, str] | None = None, bindings: Bindings | None = None
) -> dict[str, str]:
    """Return the templates of a service's 4xx and 5xx, which tell AWS errors apart by `__type` (or SQS's Code).

    Args:
        rules: what the caller may send, for the detail of a 400.
        special: name of an error that has a meaning of its own for the operation, and the template of its answer.
        bindings: the variables of that template.
    """
    detail = "A value of the request is not acceptable."
    if rules:
        detail += " " + "; ".join(sorted(rules)) + "."
    branches = [
        (f"(.*#)?{_INVALID}", Problem(400, detail).template()),
        (f"(.*#)?{_BUSY}", UNAVAILABLE.template()),
    ]
    if special:
        branches.insert(0, (f"(.*#)?{special[0]}", special[1]))
    tests = "\n".join(
        f"#{'else' if at else ''}if($type.matches('{pattern}'))\n{answer}"
        for at, (pattern, answer) in enumerate(branches)
    )
    content = (
        "#set($type = $input.path('$.__type'))\n#set($type = \"$!type\")\n"
        '#if($type == "")#set($type = $input.path(\'$.Error.Code\'))#set($type = "$!type")#end\n'
        f"{tests}\n#else\n{INTERNAL.template()}\n#end"
    )
    return {
        "400": _response(bindings or _answers(), content),
        "500": _response(_answers(), UNAVAILABLE.template()),
    }


def _rules(bindings: Bindings) -> list[str]:
    return [each.rule for each in bindings.parameters.values() if each.pattern != ANYTHING]


def _statement(
    action: str, *resources: str, conditions: Mapping[str, Any] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=[action], resources=list(resources), conditions=conditions)


def _table_permissions(
    table: dynamodb.ITable, action: str, index: str | None = None
) -> list[iam.PolicyStatement]:
    resource = f"{table.table_arn}/index/{index}" if index else table.table_arn
    statements = [_statement(f"dynamodb:{action}", resource)]
    if table.encryption_key:
        statements.append(_statement("kms:Decrypt", table.encryption_key.key_arn))
        if action not in {"GetItem", "Query"}:
            statements.append(_statement("kms:GenerateDataKey", table.encryption_key.key_arn))
    return statements


def _etag(item: str, response: Structure | None) -> str:
    """An ETag of the item's version, which If-Match takes back."""
    member = response.member("version") if response else None
    if member is None or member.shape != Scalar("N", integer=True):
        return ""
    version = f"{item}.get({literal(member.attribute)}).get('N')"
    return f'#set($quote = \'"\')#set($context.responseOverride.header.ETag = "$quote$!{version.removeprefix("$")}$quote")'


_KEY_ATTRIBUTES: Final = ("pk", "sk")


# ------------------------------------------------------------------------------------------------------ DynamoDB
@dataclass(frozen=True, kw_only=True)
class GetItem:
    """Read one item.

    Attributes:
        table: `ServiceTable` or any CDK table.
        key: value of each key attribute.
        response: model of the answer; its fields are read from the attributes of the same JSON names (see `Stored`).
        where: a condition that DynamoDB evaluates with the read; an item that does not meet it reads as absent.
        default: body of the 200 for an absent item, instead of `missing`.
        consistent: read the latest write (twice the read cost); an eventually consistent read may lag by a second.
        missing: answer for an absent item.
    """

    table: Any
    key: Mapping[str, Value]
    response: type[BaseModel]
    where: Condition | None = None
    default: Mapping[str, Document] | None = None
    consistent: bool = True
    missing: Problem = NOT_FOUND

    @property
    def request_model(self) -> None:
        """None: a read has no body."""

    def integration(self, route_context: RouteContext) -> MethodIntegration:  # noqa: ARG002 - the protocol's signature
        """Write the templates: GetItem, or with `where` a Query of the one key, since only a Query can filter."""
        table = _table(self.table)
        request, answer = Bindings(), _answers()
        name = json_string(table.table_name)
        head = f'"TableName":{name},"ConsistentRead":{str(self.consistent).lower()}'
        if self.where is None:
            action = "GetItem"
            accepted = f'{{{head},\n"Key":{_key(request, self.key)}}}'
            refused = f'{{{head},"Key":{{}}}}'
            item = "#set($item = $input.path('$.Item'))\n"
        else:
            action = "Query"
            expressions = Expressions(request)
            keys = " AND ".join(
                f"{expressions.name(each)} = {expressions.value(value)}" for each, value in self.key.items()
            )
            where = _filter(expressions, self.where)
            accepted = f'{{{head},\n"KeyConditionExpression":"{keys}"{where}{expressions.json()}}}'
            refused = f"{{{head}}}"
            item = "#set($item = \"\")\n#foreach($each in $input.path('$.Items'))#set($item = $each)#end\n"
        shape = structure_of(self.response, "response")
        absent = self.missing.template() if self.default is None else answer.document(self.default, JSON)
        found = (
            item
            + '#if("$!item" == "")\n'
            + absent
            + f"\n#else\n{_etag('$item', shape)}{object_of('$item', shape)}\n#end"
        )
        return MethodIntegration(
            service="dynamodb",
            action=action,
            request=_request(request, accepted, refused),
            responses={"200": _response(answer, found), **_failures(_rules(request))},
            success_status=200,
            permissions=_table_permissions(table, action),
            bindings=(request, answer),
            keys=(table, None, self.key),
        )


def _filter(expressions: Expressions, condition: Condition) -> str:
    """Return the member FilterExpression, after a comma, if anything of the condition is there."""
    presence, expression = expressions.condition(condition)
    member = f',\n"FilterExpression":"{expression}"'
    return f"#if({presence}){member}#end" if presence else member


def _key(bindings: Bindings, key: Mapping[str, Value]) -> str:
    return (
        "{"
        + ",".join(f"{json_string(name)}:{bindings.attribute(value)}" for name, value in key.items())
        + "}"
    )


@dataclass(frozen=True, kw_only=True)
class Page:
    """How much one page of a list holds.

    Attributes:
        default: items without `limit`.
        maximum: largest `limit`; a larger one is 400.
    """

    default: int = 20
    maximum: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.default <= self.maximum <= 1000:  # noqa: PLR2004 - a page must fit DynamoDB's 1 MB
            msg = f"a Page needs 1 <= default <= maximum <= 1000, got default {self.default}, maximum {self.maximum}"
            raise ValueError(msg)

    @property
    def pattern(self) -> str:
        """Regular expression of the numbers 1 to `maximum`."""
        return "|".join(_up_to(self.maximum))


def _up_to(maximum: int) -> list[str]:
    """Regular expressions that together match exactly 1 to `maximum`, by length and leading digits."""
    digits = str(maximum)
    shorter = [f"[1-9][0-9]{{{length - 1}}}" for length in range(1, len(digits))]
    same = []
    for at, digit in enumerate(digits):
        lowest = 1 if at == 0 else 0
        if int(digit) > lowest:
            same.append(f"{digits[:at]}[{lowest}-{int(digit) - 1}][0-9]{{{len(digits) - at - 1}}}")
    return [*shorter, *same, digits]


@dataclass(frozen=True, kw_only=True)
class Query:
    """List items of one partition, a page at a time: `{"items": […], "nextCursor"?}`.

    A page may be short, or empty with a cursor: DynamoDB applies `where` after it has read a page. The cursor carries
    only a position; partition, index and conditions always come from the route.

    Attributes:
        table: `ServiceTable` or any CDK table, with keys pk and sk.
        partition: value of the partition key (`pk`, or `<index>pk`).
        response: model of one item.
        index: a global secondary index `gsi1` with keys `gsi1pk` and `gsi1sk`.
        sort: condition on the sort key; dropped if it uses an optional parameter that is absent.
        where: filter that DynamoDB applies.
        newest_first: descending by sort key.
        consistent: read the latest write; not possible on an index.
        page: bounds of the query parameter `limit`.
    """

    table: Any
    partition: Value
    response: type[BaseModel]
    index: str | None = None
    sort: SortCondition | None = None
    where: Condition | None = None
    newest_first: bool = False
    consistent: bool = False
    page: Page = field(default_factory=Page)

    def __post_init__(self) -> None:
        if self.index and self.consistent:
            msg = (
                f"a Query of index {self.index!r} cannot be consistent: DynamoDB offers that for tables only"
            )
            raise ValueError(msg)

    @property
    def request_model(self) -> None:
        """None: a read has no body."""

    def integration(self, route_context: RouteContext) -> MethodIntegration:  # noqa: ARG002 - the protocol's signature
        """Write the templates."""
        table = _table(self.table)
        prefix = self.index or ""
        partition_key, sort_key = f"{prefix}pk", f"{prefix}sk"
        position = [name for name in dict.fromkeys((sort_key, *_KEY_ATTRIBUTES)) if name != partition_key]
        request, answer = Bindings(), _answers()
        expressions = Expressions(request)
        condition = f"{expressions.name(partition_key)} = {expressions.value(self.partition)}"
        if self.sort:
            condition += self._sort(request, expressions, sort_key)
        head = f'"TableName":{json_string(table.table_name)}'
        if self.index:
            head += f',"IndexName":{json_string(self.index)}'
        head += f',"ScanIndexForward":{str(not self.newest_first).lower()}'
        if self.consistent:
            head += ',"ConsistentRead":true'
        where = _filter(expressions, self.where) if self.where else ""
        limit_reference = request.reference(
            Parameter(
                Source.QUERY,
                "limit",
                self.page.pattern,
                required=False,
                number=False,
                says=f"be a number from 1 to {self.page.maximum}",
            )
        )
        cursor = request.reference(
            Parameter(
                Source.QUERY,
                "cursor",
                "[.]".join([_BASE64] * len(position)),
                required=False,
                number=False,
                says="be the nextCursor of the page before",
            )
        )
        start = self._start(request, cursor, position, partition_key)
        accepted = (
            f'{{{head},\n"Limit":#if({limit_reference} == ""){self.page.default}#else${{{limit_reference[1:]}}}#end,\n'
            f'"KeyConditionExpression":"{condition}"{where}{start}{expressions.json()}}}'
        )
        shape = structure_of(self.response, "response")
        parts = "".join(
            ("." if at else "") + f"$util.base64Encode($last.get('{name}').get('S'))"
            for at, name in enumerate(position)
        )
        content = (
            f"{{\"items\":[#foreach($item in $input.path('$.Items')){object_of('$item', shape)}#if($foreach.hasNext),#end#end]"
            "#set($last = $input.path('$.LastEvaluatedKey'))"
            '#if("$!last" != "")'
            f'#set($cursor = "{parts}"),"nextCursor":"$cursor.replaceAll("[+]","-").replaceAll("/","_")"#end}}'
        )
        return MethodIntegration(
            service="dynamodb",
            action="Query",
            request=_request(request, accepted, f"{{{head}}}"),
            responses={
                "200": _response(answer, content),
                **_failures(_rules(request)),
            },
            success_status=200,
            permissions=_table_permissions(table, "Query", self.index),
            bindings=(request, answer),
            keys=(table, self.index, {}),
        )

    def _sort(self, request: Bindings, expressions: Expressions, sort_key: str) -> str:
        assert self.sort is not None  # noqa: S101 - the caller looked
        presence = request.presence(self.sort.value)
        name, value = expressions.name(sort_key, presence), expressions.value(self.sort.value)
        match self.sort.operator:
            case Operator.BEGINS_WITH:
                text = f" AND begins_with({name}, {value})"
            case operator:
                text = f" AND {name} {operator} {value}"
        return f"#if({presence}){text}#end" if presence else text

    def _start(self, request: Bindings, cursor: str, position: list[str], partition_key: str) -> str:
        entries = [f"{json_string(partition_key)}:{request.attribute(self.partition)}"]
        for at, name in enumerate(position):
            variable = f"$position{at}"
            # The part between dots: drop `at` parts before it and all after it.
            part = (
                cursor + (f".replaceAll('^([^.]*[.]){{{at}}}','')" if at else "") + ".replaceAll('[.].*','')"
            )
            request.lines.append(
                f"#if({cursor} != \"\" && $ok)#set({variable} = {part}.replaceAll('-','+').replaceAll('_','/'))"
                f"#set({variable} = $util.base64Decode({variable}))#end"
            )
            entries.append(f'{json_string(name)}:{{"S":"{JSON.string(variable)}"}}')
        return f'#if({cursor} != ""),\n"ExclusiveStartKey":{{{",".join(entries)}}}#end'


@dataclass(frozen=True, kw_only=True)
class PutItem:
    """Create one item; an existing one is left alone and answered with `exists`.

    Attributes:
        table: `ServiceTable` or any CDK table.
        key: value of each key attribute.
        request: model of the body; its fields become attributes under their JSON names.
        values: further attributes.
        response: body of the answer, from path, query, headers, claims and the request's id and time.
        location: value of the Location header.
        status: of success.
        exists: answer when the item is there already.
    """

    table: Any
    key: Mapping[str, Value]
    request: type[BaseModel] | None = None
    values: Mapping[str, Document] = field(default_factory=dict)
    response: Mapping[str, Document] = field(default_factory=dict)
    location: Value | None = None
    status: int = 201
    exists: Outcome = EXISTS

    @property
    def request_model(self) -> type[BaseModel] | None:
        """The model that the body must fit."""
        return self.request

    def integration(self, route_context: RouteContext) -> MethodIntegration:  # noqa: ARG002 - the protocol's signature
        """Write the templates."""
        table = _table(self.table)
        request, answer = Bindings(_shape(self.request)), _answers()
        time = Context.REQUEST_TIME
        values: dict[str, Document] = {
            **{
                member.name: BodyField((member.name,))
                for member in (request.request.fields if request.request else ())
            },
            **self.values,
            **self.key,
            "version": 1,
            "createdAt": time,
            "updatedAt": time,
            "correlationId": Context.CORRELATION_ID,
            "causationId": Context.REQUEST_ID,
        }
        _check_written(self.key, {**values}, ())
        item = joined(
            [
                (request.presence(value), f"{json_string(name)}:{request.attribute(value)}")
                for name, value in values.items()
            ]
        )
        expressions = Expressions(request)
        condition = f"attribute_not_exists({expressions.name(next(iter(self.key)))})"
        head = f'"TableName":{json_string(table.table_name)}'
        accepted = f'{{{head},\n"ConditionExpression":"{condition}",\n"Item":{{{item}}}{expressions.json()}}}'
        content = _location(answer, self.location) + answer.document(self.response, JSON)
        return MethodIntegration(
            service="dynamodb",
            action="PutItem",
            request=_request(request, accepted, f'{{{head},"Item":{{}}}}'),
            responses={
                "200": _response(answer, content),
                **_failures(_rules(request), special=(_CONDITIONAL, self.exists.template())),
            },
            success_status=self.status,
            permissions=_table_permissions(table, "PutItem"),
            bindings=(request, answer),
            keys=(table, None, self.key),
        )


def _location(bindings: Bindings, location: Value | None) -> str:
    if location is None:
        return ""
    parts = location.parts if isinstance(location, Text) else (location,)
    variable = bindings.joined_text([str(part) if isinstance(part, int) else part for part in parts])
    return f"#set($context.responseOverride.header.Location = {variable})"


_CONVENTIONAL: Final = frozenset({"version", "createdAt", "updatedAt", "correlationId", "causationId"})


def _check_written(key: Mapping[str, Value], values: Mapping[str, Any], others: Sequence[str]) -> None:
    names = [*values, *others]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"attributes {twice} are written twice; name each once in values, add, append or remove"
        raise RouteError(msg)
    if not key:
        msg = "key is empty; give a value for each key attribute"
        raise RouteError(msg)


@dataclass(frozen=True, kw_only=True)
class UpdateItem:
    """Change one item by one conditional write.

    Attributes:
        table: `ServiceTable` or any CDK table.
        key: value of each key attribute.
        request: model of the body; its fields are set under their JSON names, absent optional ones are removed.
        values: further attributes to set.
        remove: attributes to remove.
        add: attributes to add a number to (a missing one counts as 0).
        append: attributes, lists, to append one element to (a missing one counts as empty).
        conditions: what must hold for the stored item; the first that does not decides the answer.
        upsert: create the item if it is missing; `conditions` then bind only an existing one.
        if_match: honour If-Match with the version, quoted or bare, or `*`; anything else than the current one is 412.
        versioned: count up `version` and keep the conventional attributes (see the package).
        response: model of the answer, read from the changed item.
        status: of success; 204 answers no body.
        created_status: of success when this write created the item.
        missing: answer when the item is missing and `upsert` is off.
    """

    table: Any
    key: Mapping[str, Value]
    request: type[BaseModel] | None = None
    values: Mapping[str, Document] = field(default_factory=dict)
    remove: Sequence[str] = ()
    add: Mapping[str, Value] = field(default_factory=dict)
    append: Mapping[str, Document] = field(default_factory=dict)
    conditions: Sequence[Require] = ()
    upsert: bool = False
    if_match: bool = False
    versioned: bool = True
    response: type[BaseModel] | None = None
    status: int = 200
    created_status: int = 201
    missing: Outcome = NOT_FOUND

    @property
    def request_model(self) -> type[BaseModel] | None:
        """The model that the body must fit."""
        return self.request

    def integration(self, route_context: RouteContext) -> MethodIntegration:  # noqa: ARG002 - the protocol's signature
        """Write the templates."""
        table = _table(self.table)
        request, answer, failure = Bindings(_shape(self.request)), _answers(), _answers()
        expressions = Expressions(request)
        update = self._update(request, expressions)
        condition = _conditions(
            request,
            expressions,
            key=self.key,
            upsert=self.upsert,
            if_match=self.if_match,
            conditions=self.conditions,
        )
        head = f'"TableName":{json_string(table.table_name)}'
        accepted = (
            f'{{{head},\n"Key":{_key(request, self.key)},\n"UpdateExpression":"{update}"{condition},\n'
            f'"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"{expressions.json()}}}'
        )
        shape = structure_of(self.response, "response") if self.response else None
        content = "#set($item = $input.path('$.Attributes'))\n"
        if self.upsert and self.versioned and self.created_status != self.status:
            content += (
                f"#set($version = \"$!item.get('version').get('N')\")"
                f'#if($version == "1")#set($context.responseOverride.status = {self.created_status})#end\n'
            )
        nothing = "" if self.status == HTTPStatus.NO_CONTENT else "{}"
        content += _etag("$item", shape) + (object_of("$item", shape) if shape else nothing)
        failed = _outcomes(failure, missing=self.missing, if_match=self.if_match, conditions=self.conditions)
        return MethodIntegration(
            service="dynamodb",
            action="UpdateItem",
            request=_request(request, accepted, f'{{{head},"Key":{{}}}}'),
            responses={
                "200": _response(answer, content),
                **_failures(_rules(request), special=(_CONDITIONAL, failed), bindings=failure),
            },
            success_status=self.status,
            permissions=_table_permissions(table, "UpdateItem"),
            bindings=(request, answer, failure),
            keys=(table, None, self.key),
        )

    def _update(self, request: Bindings, expressions: Expressions) -> str:
        values: dict[str, Document] = {
            **{
                member.name: BodyField((member.name,))
                for member in (request.request.fields if request.request else ())
            },
            **self.values,
        }
        _check_written(self.key, values, (*self.remove, *self.add, *self.append))
        fixed = set(self.key) | (_CONVENTIONAL if self.versioned else set())
        if clash := sorted(fixed & {*values, *self.remove, *self.add, *self.append}):
            msg = f"attributes {clash} are keys or written by convention; leave them out (or versioned=False)"
            raise RouteError(msg)
        sets: list[tuple[str | None, str]] = []
        removes: list[tuple[str | None, str]] = [(None, expressions.name(name)) for name in self.remove]
        for name, value in values.items():
            presence = request.presence(value)
            sets.append((presence, f"{expressions.name(name)} = {expressions.value(value)}"))
            if presence:
                removes.append((f"!({presence})", expressions.name(name)))
        for name, value in self.append.items():
            alias = expressions.name(name)
            empty = expressions.raw('{"L":[]}')
            element = expressions.raw(f'{{"L":[{request.attribute(value)}]}}')
            sets.append((None, f"{alias} = list_append(if_not_exists({alias}, {empty}), {element})"))
        if self.versioned:
            sets += [(None, each) for each in _versioning(expressions)]
        adds = [
            (request.presence(value), f"{expressions.name(name)} {self._number(expressions, name, value)}")
            for name, value in self.add.items()
        ]
        clauses = (
            joined(sets, comma=", ", first="SET ", separator="seps"),
            joined(removes, comma=", ", first=" REMOVE ", separator="sepr"),
            joined(adds, comma=", ", first=" ADD ", separator="sepa"),
        )
        if not any(clauses):
            msg = "nothing to write: give request, values, remove, add or append"
            raise RouteError(msg)
        return "".join(clauses)

    def _number(self, expressions: Expressions, name: str, value: Value) -> str:
        rendered = expressions.bindings.attribute(value)
        if '"N"' not in rendered:
            msg = f"add[{name!r}] must be a number, got {value!r}"
            raise RouteError(msg)
        return expressions.value(value)


def _versioning(expressions: Expressions) -> list[str]:
    version, created = expressions.name("version"), expressions.name("createdAt")
    zero, one = expressions.value(0), expressions.value(1)
    now = expressions.value(Context.REQUEST_TIME)
    return [
        f"{version} = if_not_exists({version}, {zero}) + {one}",
        f"{created} = if_not_exists({created}, {now})",
        f"{expressions.name('updatedAt')} = {now}",
        f"{expressions.name('correlationId')} = {expressions.value(Context.CORRELATION_ID)}",
        f"{expressions.name('causationId')} = {expressions.value(Context.REQUEST_ID)}",
    ]


_IF_MATCH: Final = Parameter(Source.HEADER, "If-Match", ANYTHING, required=False, number=False)


def _bind_if_match(bindings: Bindings) -> str:
    """Bind `$ifMatch`: "" (absent), "*", a version, or -1, which no item has, for anything else."""
    header = bindings.reference(_IF_MATCH)
    bindings.lines.append(
        f"#set($ifMatch = {header})"
        f'#if({header} != "" && {header} != "*")'
        f"#if({header}.matches('[0-9]{{1,18}}|\"[0-9]{{1,18}}\"'))#set($ifMatch = {header}.replaceAll('\"',''))"
        '#else#set($ifMatch = "-1")#end#end'
    )
    return "$ifMatch"


def _conditions(
    request: Bindings,
    expressions: Expressions,
    *,
    key: Mapping[str, Value],
    upsert: bool,
    if_match: bool,
    conditions: Sequence[Require],
) -> str:
    """Return the member ConditionExpression, after a comma, or nothing."""
    key_attribute = next(iter(key))
    parts: list[tuple[str | None, str]] = []
    if not upsert:
        parts.append((None, f"attribute_exists({expressions.name(key_attribute)})"))
    for each in conditions:
        presence, expression = expressions.condition(each.condition)
        if upsert:
            expression = (
                f"(attribute_not_exists({expressions.name(key_attribute, presence)}) OR {expression})"
            )
        parts.append((presence, expression))
    if if_match:
        expected = _bind_if_match(request)
        anything, versioned = f'{expected} == "*"', f'{expected} != "" && {expected} != "*"'
        parts.append((anything, f"attribute_exists({expressions.name(key_attribute, anything)})"))
        current = expressions.raw(f'{{"N":"${{{expected[1:]}}}"}}', versioned)
        parts.append((versioned, f"{expressions.name('version', versioned)} = {current}"))
    if not parts:
        return ""
    member = f',\n"ConditionExpression":"{joined(parts, comma=" AND ", separator="sepc")}"'
    presences = [presence for presence, _ in parts]
    return (
        member if None in presences else f"#if({' || '.join(f'({each})' for each in presences)}){member}#end"
    )


def _outcomes(bindings: Bindings, *, missing: Outcome, if_match: bool, conditions: Sequence[Require]) -> str:
    """Return the template part that tells from the old item which condition of a write failed."""
    expected = _bind_if_match(bindings) if if_match else ""
    branches: list[tuple[str, Outcome]] = []
    if if_match:
        branches.append((f'"$!old" == "" && {expected} != ""', STALE))
    branches.append(('"$!old" == ""', missing))
    if if_match:
        current = "\"$!old.get('version').get('N')\""
        branches.append((f'{expected} != "" && {expected} != "*" && {expected} != {current}', STALE))
    unknown: list[Outcome] = []
    for each in conditions:
        test = holds(bindings, "$old", each.condition)
        if test is None:
            unknown.append(each.otherwise)
        else:
            branches.append((f"!({test})", each.otherwise))
    if len(unknown) > 1:
        msg = (
            "at most one condition may be an ordering or compare with the body, since the answer is found by ruling out "
            f"the others; got {len(unknown)}"
        )
        raise RouteError(msg)
    # What is left after every other condition was ruled out; without one, a change between write and answer.
    rest = unknown[0] if unknown else Problem(409, "The resource has changed meanwhile; try again.")
    tests = "\n".join(
        f"#{'else' if at else ''}if({test})\n{outcome.template()}"
        for at, (test, outcome) in enumerate(branches)
    )
    return f"#set($old = $input.path('$.Item'))\n{tests}\n#else\n{rest.template()}\n#end"


@dataclass(frozen=True, kw_only=True)
class DeleteItem:
    """Delete one item.

    Attributes:
        table: `ServiceTable` or any CDK table.
        key: value of each key attribute.
        conditions: what must hold for the stored item.
        if_match: honour If-Match (see `UpdateItem`).
        status: of success; no body.
        missing: answer when there is no such item; by default the same, so that a repetition changes nothing.
    """

    table: Any
    key: Mapping[str, Value]
    conditions: Sequence[Require] = ()
    if_match: bool = False
    status: int = 204
    missing: Outcome = field(default_factory=Succeed)

    @property
    def request_model(self) -> None:
        """None: a deletion has no body."""

    def integration(self, route_context: RouteContext) -> MethodIntegration:  # noqa: ARG002 - the protocol's signature
        """Write the templates."""
        table = _table(self.table)
        request, answer, failure = Bindings(), _answers(), _answers()
        expressions = Expressions(request)
        condition = _conditions(
            request,
            expressions,
            key=self.key,
            upsert=False,
            if_match=self.if_match,
            conditions=self.conditions,
        )
        head = f'"TableName":{json_string(table.table_name)}'
        accepted = (
            f'{{{head},\n"Key":{_key(request, self.key)}{condition},\n'
            f'"ReturnValuesOnConditionCheckFailure":"ALL_OLD"{expressions.json()}}}'
        )
        failed = _outcomes(failure, missing=self.missing, if_match=self.if_match, conditions=self.conditions)
        return MethodIntegration(
            service="dynamodb",
            action="DeleteItem",
            request=_request(request, accepted, f'{{{head},"Key":{{}}}}'),
            responses={
                "200": _response(answer, "" if self.status == HTTPStatus.NO_CONTENT else "{}"),
                **_failures(_rules(request), special=(_CONDITIONAL, failed), bindings=failure),
            },
            success_status=self.status,
            permissions=_table_permissions(table, "DeleteItem"),
            bindings=(request, answer, failure),
            keys=(table, None, self.key),
        )


# ------------------------------------------------------------------------------------------------------ messages
@dataclass(frozen=True, kw_only=True)
class SendToQueue:
    """Store the request in a queue before anything else happens to it.

    Attributes:
        queue: standard queue of this account and region.
        request: model that the body must fit; None accepts any JSON body (a webhook whose signature is checked later).
        message: JSON message; None sends the raw body.
        attributes: string message attributes; an optional header or parameter that is absent is left out. At most 9,
            since SQS takes 10 and `correlationId` is always one.
        response: body of the answer.
        status: of success.
    """

    queue: sqs.IQueue
    request: type[BaseModel] | None = None
    message: Mapping[str, Document] | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)
    response: Mapping[str, Document] = field(default_factory=dict)
    status: int = 202

    def __post_init__(self) -> None:
        if len(self.attributes) > 9:  # noqa: PLR2004 - explained in the message
            msg = f"SQS takes 10 message attributes and correlationId is one, so at most 9 more, got {len(self.attributes)}"
            raise ValueError(msg)

    @property
    def request_model(self) -> type[BaseModel] | None:
        """The model that the body must fit."""
        return self.request

    def integration(self, route_context: RouteContext) -> MethodIntegration:  # noqa: ARG002 - the protocol's signature
        """Write the templates: SQS's query protocol, form-encoded."""
        request, answer = Bindings(_shape(self.request)), _answers()
        if self.message is None:
            message = FORM.json("$input.body")
        else:
            message = request.document(self.message, JSON_IN_FORM)
        accepted = f"Action=SendMessage&Version=2012-11-05&MessageBody={message}"
        attributes: dict[str, Any] = {"correlationId": Context.CORRELATION_ID, **self.attributes}
        # Optional attributes last: SQS wants them numbered without gaps.
        ordered = sorted(attributes.items(), key=lambda each: request.presence(each[1]) is not None)
        request.lines.append("#set($number = 0)")
        for name, value in ordered:
            presence = request.presence(value)
            text = (
                f"#set($number = $number + 1)&MessageAttribute.${{number}}.Name={url_text(name)}"
                f"&MessageAttribute.${{number}}.Value.DataType=String"
                f"&MessageAttribute.${{number}}.Value.StringValue={request.string(value, FORM)}"
            )
            accepted += f"#if({presence}){text}#end" if presence else text
        content = answer.document(self.response, JSON)
        permissions = [_statement("sqs:SendMessage", self.queue.queue_arn)]
        if key := self.queue.encryption_master_key:
            permissions += [
                _statement("kms:Decrypt", key.key_arn),
                _statement("kms:GenerateDataKey", key.key_arn),
            ]
        stack = self.queue.stack
        return MethodIntegration(
            service="sqs",
            path=f"{stack.account}/{self.queue.queue_name}",
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            # No body, and an attribute of no known type: SQS refuses either.
            request=_form_request(
                request,
                accepted,
                "Action=SendMessage&Version=2012-11-05&MessageAttribute.1.Name=refused"
                "&MessageAttribute.1.Value.DataType=Refused&MessageAttribute.1.Value.StringValue=refused",
            ),
            responses={"200": _response(answer, content), **_failures(_rules(request))},
            success_status=self.status,
            permissions=permissions,
            bindings=(request, answer),
        )


@dataclass(frozen=True, kw_only=True)
class PutEvent:
    """Put one event on the platform's bus, in the envelope that every event has.

    A mapping template cannot hash, so `eventId` is the request's id without dashes, as long as the hash elsewhere: a
    repeated request is another event. Prefer a state change with a change feed.

    Attributes:
        detail_type: `<Fact>.v<major>`.
        aggregate_id: what the event is about.
        data: the event's data; `body()` for the whole body.
        request: model of the body.
        response: body of the answer.
        status: of success.
    """

    detail_type: str
    aggregate_id: Value
    data: Document
    request: type[BaseModel] | None = None
    response: Mapping[str, Document] = field(default_factory=dict)
    status: int = 202

    @property
    def request_model(self) -> type[BaseModel] | None:
        """The model that the body must fit."""
        return self.request

    def integration(self, route_context: RouteContext) -> MethodIntegration:
        """Write the templates."""
        request, answer = Bindings(_shape(self.request)), _answers()
        bus = route_context.bus()
        source = f"commerce.{route_context.service}"
        identifier = request.reference(Context.REQUEST_ID)
        request.lines.append(f"#set($eventId = {identifier}.replaceAll('-',''))")
        metadata: dict[str, Document] = {
            "correlationId": Context.CORRELATION_ID,
            "causationId": Context.REQUEST_ID,
            "occurredAt": Context.REQUEST_TIME,
            "domain": "commerce",
            "service": route_context.service,
            "stage": route_context.stage,
            "schemaVersion": f"{self.detail_type.rpartition('.v')[2]}.0",
            "aggregateId": self.aggregate_id,
            "aggregateVersion": 1,
        }
        static = JSON_IN_STRING.static
        detail = (
            static('{"metadata":{"eventId":"')
            + JSON_IN_STRING.string("$eventId")
            + static('",')
            + request.document(metadata, JSON_IN_STRING).removeprefix(static("{"))
            + static(',"data":')
            + request.document(self.data, JSON_IN_STRING)
            + static("}")
        )
        accepted = (
            f'{{"Entries":[{{"EventBusName":{json_string(bus.event_bus_name)},"Source":{json_string(source)},'
            f'"DetailType":{json_string(self.detail_type)},"Detail":"{detail}"}}]}}'
        )
        body = answer.document(self.response, JSON)
        content = (
            "#set($failed = $input.path('$.FailedEntryCount'))\n#set($failed = \"$!failed\")\n"
            f'#if($failed == "0")\n{body}\n#else\n{UNAVAILABLE.template()}\n#end'
        )
        permission = _statement(
            "events:PutEvents", bus.event_bus_arn, conditions={"StringEquals": {"events:source": source}}
        )
        return MethodIntegration(
            service="events",
            action="PutEvents",
            headers={"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSEvents.PutEvents"},
            request=_request(request, accepted, '{"Entries":[]}'),
            responses={"200": _response(answer, content), **_failures(_rules(request))},
            success_status=self.status,
            permissions=[permission],
            bindings=(request, answer),
        )


@dataclass(frozen=True, kw_only=True)
class StartWorkflow:
    """Run a state machine.

    With `wait` the Express workflow runs within the request (29 seconds at most). Its output is the body of the
    answer, or, where it has `statusCode`, `{"statusCode": 202, "headers": {"Location": "…"}, "body": "<JSON text>"}`:
    a business rejection is a 4xx with a problem document there. A workflow that fails or times out answers 500 or 504
    without its cause; `rejections` gives the errors of Fail states answers of their own.

    Attributes:
        workflow: an `ExpressWorkflow` or any CDK state machine.
        input: of the workflow; `body()` for the whole body.
        request: model of the body.
        wait: StartSyncExecution instead of StartExecution.
        rejections: error name -> answer.
        execution_name: of a Standard workflow without `wait`; starting it again is success.
        response: body of the answer without `wait`.
        status: of success; 200 with `wait`, else 202.
    """

    workflow: Any
    input: Mapping[str, Document]
    request: type[BaseModel] | None = None
    wait: bool = True
    rejections: Mapping[str, Problem] = field(default_factory=dict)
    execution_name: Part | Text | None = None
    response: Mapping[str, Document] = field(default_factory=dict)
    status: int | None = None

    def __post_init__(self) -> None:
        if self.wait and (self.execution_name or self.response):
            msg = "execution_name and response are for wait=False: a workflow that is waited for answers with its output"
            raise ValueError(msg)
        if not self.wait and self.rejections:
            msg = "rejections need wait=True: a workflow that is only started cannot reject"
            raise ValueError(msg)

    @property
    def request_model(self) -> type[BaseModel] | None:
        """The model that the body must fit."""
        return self.request

    def integration(self, route_context: RouteContext) -> MethodIntegration:  # noqa: ARG002 - the protocol's signature
        """Write the templates."""
        machine: sfn.IStateMachine = getattr(
            getattr(self.workflow, "resources", None), "state_machine", self.workflow
        )
        request, answer, failure = Bindings(_shape(self.request)), _answers(), _answers()
        action = "StartSyncExecution" if self.wait else "StartExecution"
        arn = json_string(machine.state_machine_arn)
        name = f'"name":"{request.string(self.execution_name, JSON)}",' if self.execution_name else ""
        accepted = (
            f'{{"stateMachineArn":{arn},{name}\n"input":"{request.document(self.input, JSON_IN_STRING)}"}}'
        )
        status = self.status or (200 if self.wait else 202)
        content = self._outcome() if self.wait else answer.document(self.response, JSON)
        # The same name again is the same request again.
        repeated = Succeed(status).headers() + failure.document(self.response, JSON)
        special = ("ExecutionAlreadyExists", repeated) if self.execution_name else None
        failures = _failures(_rules(request), special=special, bindings=failure)
        return MethodIntegration(
            service="states",
            action=action,
            request=_request(request, accepted, f'{{"stateMachineArn":{arn},"input":"not acceptable"}}'),
            responses={"200": _response(answer, content), **failures},
            success_status=status,
            permissions=[_statement(f"states:{action}", machine.state_machine_arn)],
            bindings=(request, answer, failure),
        )

    def _outcome(self) -> str:
        rejected = "".join(
            f"#elseif($error == {literal(name)})\n{problem.template()}\n"
            for name, problem in self.rejections.items()
        )
        headers = "".join(
            f"#if($headers.containsKey('{name}'))"
            f"#set($context.responseOverride.header.{name} = $headers.get('{name}'))#end"
            for name in ("Location", "ETag", "Retry-After")
        )
        return (
            "#set($state = $input.path('$.status'))\n#set($state = \"$!state\")\n"
            "#set($error = $input.path('$.error'))\n#set($error = \"$!error\")\n"
            '#if($state == "SUCCEEDED")\n'
            "#set($text = $input.path('$.output'))\n#set($output = $util.parseJson($text))\n"
            "#set($status = \"$!output.get('statusCode')\")\n"
            '#if($status == "")\n$text\n'
            "#elseif($status.matches('[2-5][0-9][0-9]'))\n"
            "#set($context.responseOverride.status = $output.get('statusCode'))"
            "#set($headers = $output.get('headers'))"
            f"{headers}"
            "#if($status.matches('[45].*'))"
            '#set($context.responseOverride.header.Content-Type = "application/problem+json")#end\n'
            "$!output.get('body')\n"
            f"#else\n{INTERNAL.template()}\n#end\n"
            f"{rejected}"
            f'#elseif($state == "TIMED_OUT")\n{TIMED_OUT.template()}\n'
            f"#else\n{INTERNAL.template()}\n#end"
        )


@dataclass(frozen=True, kw_only=True)
class InvokeFunction:
    """Let a function answer (AWS_PROXY).

    Attributes:
        function: a `ServiceFunction` or any CDK function; it answers for itself, problems included.
        request: model that API Gateway checks first. Python validators are allowed: the function runs the model again.
    """

    function: Any
    request: type[BaseModel] | None = None

    @property
    def request_model(self) -> type[BaseModel] | None:
        """The model that the body must fit."""
        return self.request

    @property
    def target(self) -> lambda_.IFunction:
        """The CDK function."""
        function: lambda_.IFunction = getattr(
            getattr(self.function, "resources", None), "function", self.function
        )
        return function


AnyOperation = (
    GetItem
    | Query
    | PutItem
    | UpdateItem
    | DeleteItem
    | SendToQueue
    | PutEvent
    | StartWorkflow
    | InvokeFunction
)
