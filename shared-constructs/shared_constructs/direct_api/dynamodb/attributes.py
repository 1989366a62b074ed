"""DynamoDB's attribute values: written from a request's values and body, read into an answer's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic_core import PydanticUndefined

from shared_constructs.direct_api.shapes import Elements, Entries, Member, Nullable, Scalar, Shape, Structure
from shared_constructs.direct_api.values import BodyField, Claim, Context, Document, Parameter, Text
from shared_constructs.direct_api.vtl import (
    INTEGER,
    JSON,
    NUMBER,
    escape,
    formal,
    joined,
    json_constant,
    json_string,
    literal,
    quiet,
)

if TYPE_CHECKING:
    from shared_constructs.direct_api.bindings import Bindings


# --------------------------------------------------------------------------------------------- values -> attributes
def is_number(value: object) -> bool:
    """Whether DynamoDB gets the value, not of the body, as a number."""
    if isinstance(value, Parameter):
        return value.number
    return value is Context.REQUEST_EPOCH or (isinstance(value, int) and not isinstance(value, bool))


def attribute(bindings: Bindings, value: Document) -> str:  # noqa: PLR0911 - one answer per type
    """Return the attribute value, `{"S":"…"}`, of a value that is present."""
    match value:
        case None:
            return '{"NULL":true}'
        case BodyField():
            return attribute_of(bindings.body_access(value), bindings.member(value).shape, depth=0)
        case bool():
            return f'{{"BOOL":{str(value).lower()}}}'
        case int():
            return f'{{"N":"{value}"}}'
        case Parameter() | Context() if is_number(value):
            return f'{{"N":"{formal(bindings.reference(value))}"}}'
        case str() | Text() | Parameter() | Claim() | Context():
            return f'{{"S":"{bindings.string(value, JSON)}"}}'
        case Mapping():
            return f'{{"M":{attributes(bindings, value)}}}'
        case _:
            return f'{{"L":[{",".join(attribute(bindings, each) for each in value)}]}}'


def attributes(bindings: Bindings, values: Mapping[str, Document]) -> str:
    """Return the attribute values by name, an item or a key."""
    return f"{{{bindings.members(values, lambda each: attribute(bindings, each), JSON)}}}"


def attribute_of(access: str, shape: Shape, depth: int) -> str:  # noqa: PLR0911 - one answer per shape
    """Return template text that turns a part of the body into an attribute value.

    Args:
        access: Velocity expression of the part, which is not null.
        shape: Of the part.
        depth: Nesting, for unique variable names.
    """
    value = f"$v{depth}"
    bind = f"#set({value} = {quiet(access)})"
    match shape:
        case Scalar("S"):
            return f'{bind}{{"S":"{escape(value)}"}}'
        case Scalar("N", integer):
            # What does not print as a number leaves N empty, which DynamoDB refuses.
            pattern = INTEGER if integer else NUMBER
            return f'{bind}{{"N":"#if({value}.matches(\'{pattern}\')){formal(value)}#end"}}'
        case Scalar():
            return f'{bind}{{"BOOL":#if({value} == "true")true#else false#end}}'
        case Nullable(inner):
            return f'{bind}#if({value} == ""){{"NULL":true}}#else{attribute_of(access, inner, depth)}#end'
        case Structure(fields=fields):
            members = [_member(f"{access}.get({literal(each.name)})", each, depth) for each in fields]
            return f'{{"M":{{{joined(members, separator=f"sep{depth}")}}}}}'
        case Elements(element):
            each = f"$e{depth}"
            return f'{{"L":[{_each(each, access, attribute_of(each, element, depth + 1))}]}}'
        case Entries(inner):
            key = f"$k{depth}"
            rendered = attribute_of(f"{access}.get({key})", inner, depth + 1)
            entries = _each(key, f"{access}.keySet()", f'"{escape(key)}":{rendered}')
            return f'{{"M":{{{entries}}}}}'


def _member(access: str, member: Member, depth: int) -> tuple[str | None, str]:
    text = f"{json_string(member.attribute)}:{attribute_of(access, member.shape, depth + 1)}"
    if not member.optional:
        return None, text
    there = f'{quiet(access)} != ""'
    return (f'{there} || {access}.equals("")' if member.shape == Scalar("S") else there), text


def _each(variable: str, collection: str, text: str) -> str:
    """The text once for each element, with commas between."""
    return f"#foreach({variable} in {collection}){text}#if($foreach.hasNext),#end#end"


# ----------------------------------------------------------------------------------------------- attributes -> JSON
def json_of(access: str, shape: Shape, depth: int = 0) -> str:  # noqa: PLR0911 - one answer per shape
    """Return template text that turns an attribute value into JSON; a value of another type reads as null.

    Args:
        access: Velocity expression of the attribute value, a map such as `{S=text}`.
        shape: Of the JSON.
        depth: Nesting, for unique variable names.
    """
    value = f"$v{depth}"
    match shape:
        case Scalar("S" | "N" as tag):
            tagged = quiet(f"{access}.get('{tag}')")
            bind = f"#set({value} = {tagged})"
            if tag == "S":
                return f'{bind}"{escape(value)}"'
            return f'{bind}#if({value} == "")null#else{formal(value)}#end'
        case Scalar():
            tagged = quiet(f"{access}.get('BOOL')")
            return f'#if({tagged} == "true")true#else false#end'
        case Nullable(inner):
            return f"#if({access}.containsKey('NULL'))null#else {json_of(access, inner, depth)}#end"
        case Structure():
            return object_of(f"{access}.get('M')", shape, depth + 1)
        case Elements(element):
            each, elements = f"$e{depth}", f"{access}.get('L')"
            return f"[{_each(each, elements, json_of(each, element, depth + 1))}]"
        case Entries(inner):
            key = f"$k{depth}"
            entries = f"{access}.get('M')"
            rendered = json_of(f"{entries}.get({key})", inner, depth + 1)
            return "{" + _each(key, f"{entries}.keySet()", f'"{escape(key)}":{rendered}') + "}"


def object_of(access: str, structure: Structure, depth: int = 0) -> str:
    """Return template text that turns a map of attribute values into a JSON object.

    A missing optional attribute is left out, or reads as the model's default; a missing required one reads as null, an
    empty list or an empty object, so that the answer is JSON whatever is stored.
    """
    entries: list[tuple[str | None, str]] = []
    for member in structure.fields:
        value = f"{access}.get({literal(member.attribute)})"
        there = f"{access}.containsKey({literal(member.attribute)})"
        rendered = json_of(value, member.shape, depth)
        name = json_string(member.name)
        if member.optional and member.default is PydanticUndefined:
            entries.append((there, f"{name}:#if({value}.containsKey('NULL'))null#else {rendered}#end"))
            continue
        absent = {Elements: "[]", Entries: "{}"}.get(type(member.shape), "null")
        if member.default is not PydanticUndefined:
            absent = json_constant(member.default)
        entries.append((None, f"{name}:#if({there}){rendered}#else {absent}#end"))
    return f"{{{joined(entries, separator=f'sep{depth}')}}}"
