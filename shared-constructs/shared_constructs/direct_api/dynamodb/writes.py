"""Writing one item of a table: created, changed or deleted, each by one conditional write."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from shared_constructs.direct_api.bindings import Bindings, RouteError
from shared_constructs.direct_api.described import of_document, of_model
from shared_constructs.direct_api.dynamodb.attributes import attribute, attributes, object_of
from shared_constructs.direct_api.dynamodb.expressions import Expressions
from shared_constructs.direct_api.dynamodb.preconditions import Preconditions
from shared_constructs.direct_api.dynamodb.reads import etag
from shared_constructs.direct_api.dynamodb.tables import Table, call_table
from shared_constructs.direct_api.integration import BodilessOperation, MethodIntegration
from shared_constructs.direct_api.outcomes import EXISTS, NOT_FOUND, Outcome, Succeed
from shared_constructs.direct_api.shapes import structure_of
from shared_constructs.direct_api.values import Context, Document, Key, Part, Text, Value
from shared_constructs.direct_api.vtl import JSON, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from shared_constructs.direct_api.conditions import Require

_CONDITION_FAILED: Final = "ConditionalCheckFailedException"
# Who wrote an item last, and when; with `version` and `createdAt` they are on every item. An update can leave the
# correlation id as it is.
_TRACE: Final[Mapping[str, Value]] = {
    "updatedAt": Context.REQUEST_TIME,
    "correlationId": Context.CORRELATION_ID,
    "causationId": Context.REQUEST_ID,
}
_CONVENTIONAL: Final = frozenset({"version", "createdAt", *_TRACE})


@dataclass(frozen=True, kw_only=True)
class PutItem:
    """Create one item; an existing one is left alone and answered with `exists`.

    Attributes:
        table: The table, or an imported one.
        key: Value of each key attribute.
        request: Model of the body; its fields become attributes under their JSON names.
        values: Further attributes.
        response: Body of the answer, from path, query, headers, claims and the request's id and time.
        location: Value of the Location header.
        status: Of success.
        exists: Answer when the item is there already.
    """

    table: Table
    key: Key
    request: type[BaseModel] | None = None
    values: Mapping[str, Document] = field(default_factory=dict)
    response: Mapping[str, Document] = field(default_factory=dict)
    location: Part | Text | None = None
    status: int = 201
    exists: Outcome = EXISTS

    def integration(self) -> MethodIntegration:
        """Write the templates."""
        request, answer = Bindings(self.request), Bindings.of_answer()
        item: dict[str, Document] = {
            **request.body_fields(),
            **self.values,
            **self.key,
            "version": 1,
            "createdAt": Context.REQUEST_TIME,
            **_TRACE,
        }
        item_text = attributes(request, item)
        expressions = Expressions(request)
        condition = f"attribute_not_exists({expressions.name(next(iter(self.key), 'pk'))})"
        return call_table(
            self.table,
            "PutItem",
            keys=self.key,
            call=(f'\n"ConditionExpression":"{condition}",\n"Item":{item_text}{expressions.placeholders()}'),
            refused='"Item":{}',
            content=_location(answer, self.location) + answer.document(self.response, JSON),
            status=self.status,
            response=of_document(self.response, self.request),
            expected_error=(_CONDITION_FAILED, self.exists.template()),
            request=request,
            answer=answer,
        )


def _location(bindings: Bindings, location: Part | Text | None) -> str:
    if location is None:
        return ""
    parts = location.parts if isinstance(location, Text) else (location,)
    variable = bindings.joined_text(parts)
    return f"#set($context.responseOverride.header.Location = {variable})"


@dataclass(frozen=True, kw_only=True)
class UpdateItem:
    """Change one item by one conditional write, which counts up its `version`.

    Attributes:
        table: The table, or an imported one.
        key: Value of each key attribute.
        request: Model of the body; its fields are set under their JSON names, absent optional ones are removed.
        values: Further attributes to set.
        remove: Attributes to remove.
        add: Attributes to add a number to (a missing one counts as 0).
        append: Attributes, lists, to append one element to (a missing one counts as empty).
        conditions: What must hold for the stored item; the first that does not decides the answer.
        upsert: Create the item if it is missing; `conditions` then bind only an existing one.
        if_match: Honour If-Match with the version, quoted or bare, or `*`; anything else than the current one is 412.
        keep_correlation_id: Leave the item the correlation id that it was created with: this request is a later step
            of the same story, and its id becomes the item's causation id as always. Default: the item takes the
            request's, since whatever follows answers that request alone.
        response: Model of the answer, read from the changed item.
        status: Of success; 204 answers no body.
        created_status: Of success when this write created the item.
        missing: Answer when the item is missing and `upsert` is off.
    """

    table: Table
    key: Key
    request: type[BaseModel] | None = None
    values: Mapping[str, Document] = field(default_factory=dict)
    remove: Sequence[str] = ()
    add: Mapping[str, Value] = field(default_factory=dict)
    append: Mapping[str, Document] = field(default_factory=dict)
    conditions: Sequence[Require] = ()
    upsert: bool = False
    if_match: bool = False
    keep_correlation_id: bool = False
    response: type[BaseModel] | None = None
    status: int = 200
    created_status: int = 201
    missing: Outcome = NOT_FOUND

    def integration(self) -> MethodIntegration:
        """Write the templates."""
        request, failure = Bindings(self.request), Bindings.of_answer()
        expressions = Expressions(request)
        update = self._update(request, expressions)
        preconditions = Preconditions(
            key=self.key, conditions=self.conditions, upsert=self.upsert, if_match=self.if_match
        )
        condition = preconditions.expression(expressions)
        content = "#set($item = $input.path('$.Attributes'))\n"
        if self.upsert and self.created_status != self.status:
            content += (
                "#set($version = \"$!item.get('version').get('N')\")"
                f'#if($version == "1")#set($context.responseOverride.status = {self.created_status})#end\n'
            )
        if self.response:
            shape = structure_of(self.response, "response")
            content += etag("$item", shape) + object_of("$item", shape)
        elif self.status != HTTPStatus.NO_CONTENT:
            content += "{}"
        return call_table(
            self.table,
            "UpdateItem",
            keys=self.key,
            call=(
                f'\n"Key":{attributes(request, self.key)},\n"UpdateExpression":"{update}"{condition},\n'
                f'"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"{expressions.placeholders()}'
            ),
            refused='"Key":{}',
            content=content,
            status=self.status,
            response=of_model(self.response) if self.response else None,
            expected_error=(_CONDITION_FAILED, preconditions.told_apart(failure, self.missing)),
            request=request,
            answer=Bindings.of_answer(),
            failure=failure,
        )

    def _update(self, request: Bindings, expressions: Expressions) -> str:
        values: dict[str, Document] = {**request.body_fields(), **self.values}
        self._check_names(list(values))
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
            element = expressions.raw(f'{{"L":[{attribute(request, value)}]}}')
            sets.append((None, f"{alias} = list_append(if_not_exists({alias}, {empty}), {element})"))
        sets += [(None, each) for each in self._versioning(expressions)]
        adds = [
            (
                presence := request.presence(value),
                f"{expressions.name(name, presence)} {_number(expressions, name, value)}",
            )
            for name, value in self.add.items()
        ]
        return (
            joined(sets, comma=", ", first="SET ", separator="seps")
            + joined(removes, comma=", ", first=" REMOVE ", separator="sepr")
            + joined(adds, comma=", ", first=" ADD ", separator="sepa")
        )

    def _versioning(self, expressions: Expressions) -> list[str]:
        version, created = expressions.name("version"), expressions.name("createdAt")
        zero, one = expressions.value(0), expressions.value(1)
        now = expressions.value(Context.REQUEST_TIME)
        updated, correlation = expressions.name("updatedAt"), expressions.name("correlationId")
        ours = expressions.value(Context.CORRELATION_ID)
        return [
            f"{version} = if_not_exists({version}, {zero}) + {one}",
            f"{created} = if_not_exists({created}, {now})",
            f"{updated} = {now}",
            f"{correlation} = {f'if_not_exists({correlation}, {ours})' if self.keep_correlation_id else ours}",
            f"{expressions.name('causationId')} = {expressions.value(Context.REQUEST_ID)}",
        ]

    def _check_names(self, values: Sequence[str]) -> None:
        names = [*values, *self.remove, *self.add, *self.append]
        if not names:
            raise RouteError("nothing to write: give request, values, remove, add or append")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise RouteError(
                f"attributes {twice} are written twice; name each once in values, add, append or remove"
            )
        if clash := sorted({*self.key, *_CONVENTIONAL} & {*names}):
            raise RouteError(f"attributes {clash} are keys or written by convention; leave them out")


def _number(expressions: Expressions, name: str, value: Value) -> str:
    if '"N"' not in attribute(expressions.bindings, value):
        raise RouteError(f"add[{name!r}] must be a number, got {value!r}")
    return expressions.value(value)


@dataclass(frozen=True, kw_only=True)
class DeleteItem(BodilessOperation):
    """Delete one item.

    Attributes:
        table: The table, or an imported one.
        key: Value of each key attribute.
        conditions: What must hold for the stored item.
        if_match: Honour If-Match (see `UpdateItem`).
        status: Of success; no body.
        missing: Answer when there is no such item; by default the same, so that a repetition changes nothing.
    """

    table: Table
    key: Key
    conditions: Sequence[Require] = ()
    if_match: bool = False
    status: int = 204
    missing: Outcome = field(default_factory=Succeed)

    def integration(self) -> MethodIntegration:
        """Write the templates."""
        request, failure = Bindings(), Bindings.of_answer()
        expressions = Expressions(request)
        preconditions = Preconditions(key=self.key, conditions=self.conditions, if_match=self.if_match)
        condition = preconditions.expression(expressions)
        return call_table(
            self.table,
            "DeleteItem",
            keys=self.key,
            call=(
                f'\n"Key":{attributes(request, self.key)}{condition},\n'
                f'"ReturnValuesOnConditionCheckFailure":"ALL_OLD"{expressions.placeholders()}'
            ),
            refused='"Key":{}',
            content="" if self.status == HTTPStatus.NO_CONTENT else "{}",
            status=self.status,
            expected_error=(_CONDITION_FAILED, preconditions.told_apart(failure, self.missing)),
            request=request,
            answer=Bindings.of_answer(),
            failure=failure,
        )
