"""Reading from a table: one item, or a page of a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared_constructs.direct_api.bindings import Bindings, RouteError
from shared_constructs.direct_api.described import of_model, of_page
from shared_constructs.direct_api.dynamodb.attributes import attribute, attributes, object_of
from shared_constructs.direct_api.dynamodb.expressions import Expressions
from shared_constructs.direct_api.dynamodb.tables import Table, call_table
from shared_constructs.direct_api.integration import BodilessOperation, MethodIntegration
from shared_constructs.direct_api.outcomes import NOT_FOUND, Problem
from shared_constructs.direct_api.shapes import Scalar, Structure, structure_of
from shared_constructs.direct_api.values import Document, Key, Parameter, Value, query
from shared_constructs.direct_api.vtl import JSON, formal, json_string, literal, when

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from shared_constructs.direct_api.conditions import Comparison, Condition

# Position parts of a cursor: URL-safe base64, at most 1,600 characters each.
_BASE64: Final = "([A-Za-z0-9_-]{4}){0,400}([A-Za-z0-9_-]{2}==|[A-Za-z0-9_-]{3}=)?"


def etag(item: str, response: Structure) -> str:
    """Return the template part that answers with an ETag of the item's version, which If-Match takes back."""
    member = response.member("version")
    if member is None or member.shape != Scalar("N", integer=True):
        return ""
    version = f"{item}.get({literal(member.attribute)}).get('N')"
    return f'#set($quote = \'"\')#set($context.responseOverride.header.ETag = "$quote$!{version.removeprefix("$")}$quote")'


@dataclass(frozen=True, kw_only=True)
class GetItem(BodilessOperation):
    """Read one item.

    Attributes:
        table: The table, or an imported one.
        key: Value of each key attribute.
        response: Model of the answer; its fields are read from the attributes of the same JSON names (see `Stored`).
        where: A condition that DynamoDB evaluates with the read; an item that does not meet it reads as absent.
        default: Body of the 200 for an absent item, instead of `missing`.
        consistent: Read the latest write (twice the read cost); an eventually consistent read may lag by a second.
        missing: Answer for an absent item.
    """

    table: Table
    key: Key
    response: type[BaseModel]
    where: Condition | None = None
    default: Mapping[str, Document] | None = None
    consistent: bool = True
    missing: Problem = NOT_FOUND

    def integration(self) -> MethodIntegration:
        """Write the templates: GetItem, or with `where` a Query of the one key, since only a Query can filter."""
        request, answer = Bindings(), Bindings.of_answer()
        consistent = f'"ConsistentRead":{str(self.consistent).lower()}'
        if self.where is None:
            action, refused = "GetItem", f'{consistent},"Key":{{}}'
            call = f'{consistent},\n"Key":{attributes(request, self.key)}'
            item = "#set($item = $input.path('$.Item'))\n"
        else:
            action, refused = "Query", consistent
            expressions = Expressions(request)
            keys = " AND ".join(
                f"{expressions.name(each)} = {expressions.value(value)}" for each, value in self.key.items()
            )
            where = expressions.filter(self.where)
            call = f'{consistent},\n"KeyConditionExpression":"{keys}"{where}{expressions.placeholders()}'
            item = "#set($item = \"\")\n#foreach($each in $input.path('$.Items'))#set($item = $each)#end\n"
        shape = structure_of(self.response, "response")
        absent = self.missing.template() if self.default is None else answer.document(self.default, JSON)
        found = etag("$item", shape) + object_of("$item", shape)
        return call_table(
            self.table,
            action,
            keys=self.key,
            call=call,
            refused=refused,
            content=f'{item}#if("$!item" == "")\n{absent}\n#else\n{found}\n#end',
            status=200,
            response=of_model(self.response),
            request=request,
            answer=answer,
        )


@dataclass(frozen=True, kw_only=True)
class Page:
    """How much one page of a list holds.

    Attributes:
        default: Items without `limit`.
        maximum: Largest `limit`; a larger one is 400.
    """

    default: int = 20
    maximum: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.default <= self.maximum <= 1000:  # noqa: PLR2004 - a page must fit DynamoDB's 1 MB
            raise ValueError(
                f"a Page needs 1 <= default <= maximum <= 1000, got default {self.default}, maximum {self.maximum}"
            )

    @property
    def limit(self) -> Parameter:
        """The query parameter, whose pattern matches exactly the numbers 1 to `maximum`."""
        digits = str(self.maximum)
        patterns = [f"[1-9][0-9]{{{length - 1}}}" for length in range(1, len(digits))]
        for at, digit in enumerate(digits):
            lowest = 1 if at == 0 else 0
            if int(digit) > lowest:
                patterns.append(f"{digits[:at]}[{lowest}-{int(digit) - 1}][0-9]{{{len(digits) - at - 1}}}")
        says = f"be a number from 1 to {self.maximum}"
        return query("limit", pattern="|".join([*patterns, digits]), says=says)


@dataclass(frozen=True, kw_only=True)
class Query(BodilessOperation):
    """List items of one partition, a page at a time: `{"items": […], "nextCursor"?}`.

    A page may be short, or empty with a cursor: DynamoDB applies `where` after it has read a page. The cursor carries
    only a position; partition, index and conditions always come from the route.

    Attributes:
        table: The table, or an imported one, with keys pk and sk.
        partition: Value of the partition key (`pk`, or `<index>pk`).
        response: Model of one item.
        index: A global secondary index `gsi1` with keys `gsi1pk` and `gsi1sk`, which projects what `response` and
            `where` read.
        sort: Condition on the sort key (a comparison or `begins_with`); dropped if it uses an optional parameter that
            is absent.
        where: Filter that DynamoDB applies.
        newest_first: Descending by sort key.
        consistent: Read the latest write; not possible on an index.
        page: Bounds of the query parameter `limit`.
    """

    table: Table
    partition: Value
    response: type[BaseModel]
    index: str | None = None
    sort: Comparison | None = None
    where: Condition | None = None
    newest_first: bool = False
    consistent: bool = False
    page: Page = field(default_factory=Page)

    def __post_init__(self) -> None:
        if self.index and self.consistent:
            raise ValueError(
                f"a Query of index {self.index!r} cannot be consistent: DynamoDB offers that for tables only"
            )

    def integration(self) -> MethodIntegration:
        """Write the templates."""
        keys = partition_key, sort_key = (f"{self.index or ''}pk", f"{self.index or ''}sk")
        position = [name for name in dict.fromkeys((sort_key, "pk", "sk")) if name != partition_key]
        request = Bindings()
        expressions = Expressions(request)
        condition = f"{expressions.name(partition_key)} = {expressions.value(self.partition)}"
        if self.sort:
            if self.sort.attribute != sort_key:
                raise RouteError(
                    f"sort is a condition on the sort key {sort_key}, got {self.sort.attribute!r}"
                )
            there, sort = expressions.condition(self.sort)
            condition += when(there, f" AND {sort}")
        settings = f'"ScanIndexForward":{str(not self.newest_first).lower()}'
        if self.index:
            settings = f'"IndexName":{json_string(self.index)},{settings}'
        if self.consistent:
            settings += ',"ConsistentRead":true'
        where = expressions.filter(self.where)
        limit = request.reference(self.page.limit)
        start = self._start(request, position, partition_key)
        shape = structure_of(self.response, "response")
        return call_table(
            self.table,
            "Query",
            keys=keys,
            index=self.index,
            reads={*expressions.names, *(member.attribute for member in shape.fields)},
            call=(
                f'{settings},\n"Limit":#if({limit} == ""){self.page.default}#else{formal(limit)}#end,\n'
                f'"KeyConditionExpression":"{condition}"{where}{start}{expressions.placeholders()}'
            ),
            refused=settings,
            content=_page(position, shape),
            status=200,
            response=of_page(self.response),
            request=request,
            answer=Bindings.of_answer(),
        )

    def _start(self, request: Bindings, position: list[str], partition_key: str) -> str:
        """Return the member ExclusiveStartKey, after a comma, if there is a cursor."""
        pattern = "[.]".join([_BASE64] * len(position))
        cursor = request.reference(
            query("cursor", pattern=pattern, says="be the nextCursor of the page before")
        )
        entries = [f"{json_string(partition_key)}:{attribute(request, self.partition)}"]
        for at, name in enumerate(position):
            variable = f"$position{at}"
            # The part between dots: drop `at` parts before it and all after it.
            before = f".replaceAll('^([^.]*[.]){{{at}}}','')" if at else ""
            part = f"{cursor}{before}.replaceAll('[.].*','')"
            request.lines.append(
                f"#if({cursor} != \"\" && $ok)#set({variable} = {part}.replaceAll('-','+').replaceAll('_','/'))"
                f"#set({variable} = $util.base64Decode({variable}))#end"
            )
            entries.append(f'{json_string(name)}:{{"S":"{JSON.string(variable)}"}}')
        return when(f'{cursor} != ""', f',\n"ExclusiveStartKey":{{{",".join(entries)}}}')


def _page(position: list[str], item: Structure) -> str:
    cursor = ".".join(f"$util.base64Encode($last.get('{name}').get('S'))" for name in position)
    return (
        f"{{\"items\":[#foreach($item in $input.path('$.Items')){object_of('$item', item)}#if($foreach.hasNext),#end#end]"
        "#set($last = $input.path('$.LastEvaluatedKey'))"
        '#if("$!last" != "")'
        f'#set($cursor = "{cursor}"),"nextCursor":"$cursor.replaceAll("[+]","-").replaceAll("/","_")"#end}}'
    )
