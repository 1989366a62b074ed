"""An API's description as pages have it: plain tables, which search, print, the dark and a screen reader can read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from catalogue import schemas
from catalogue.markdown import code, plain, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

METHODS = ("get", "put", "post", "delete", "patch")


def write(document: Mapping[str, Any]) -> Iterator[str]:
    """The sections of every operation, in the document's order."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield from _operation(
                    document, f"{method.upper()} {path}", item[method], item.get("parameters", ())
                )


def _operation(
    document: Mapping[str, Any], name: str, operation: Mapping[str, Any], shared: Any
) -> Iterator[str]:
    yield f"### {code(name)}"
    yield plain(operation.get("summary", ""))
    yield plain(operation.get("description", ""))
    parameters = [schemas.resolved(each, document) for each in (*shared, *operation.get("parameters", ()))]
    yield "\n".join(
        table(
            ("parameter", "in", "type", "required", "allowed", "meaning"),
            [
                (
                    code(each["name"]),
                    each["in"],
                    schemas.kind(each.get("schema", {}), document),
                    "yes" if each.get("required") else "",
                    schemas.limits(each.get("schema", {}), document),
                    plain(each.get("description", "")),
                )
                for each in parameters
            ],
        )
    )
    if "requestBody" in operation:
        yield "**Request body**"
        yield from _content(document, schemas.resolved(operation["requestBody"], document))
    yield "**Answers**"
    responses = {
        status: schemas.resolved(each, document) for status, each in operation.get("responses", {}).items()
    }
    yield "\n".join(
        table(
            ("status", "meaning", "body", "headers"),
            [
                (status, _said(each.get("description", "")), _body(document, each), _headers(each))
                for status, each in responses.items()
            ],
        )
    )
    for status, each in responses.items():
        if status.startswith("2") and each.get("content"):
            yield f"Body of {status}:"
            yield from _content(document, each)


def _content(document: Mapping[str, Any], holder: Mapping[str, Any]) -> Iterator[str]:
    for media in holder.get("content", {}).values():
        schema = media.get("schema", {})
        yield "\n".join(schemas.fields(schema, document)) or schemas.kind(schema, document)
        examples = [media["example"]] if "example" in media else list(schema.get("examples", ()))[:1]
        for example in examples:
            yield f"```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```"


def _body(document: Mapping[str, Any], response: Mapping[str, Any]) -> str:
    kinds = {name: media.get("schema", {}) for name, media in response.get("content", {}).items()}
    return ", ".join(
        f"{_name(schema) or schemas.kind(schema, document)} ({code(name)})" for name, schema in kinds.items()
    )


def _said(description: str) -> str:
    """A description as a table's cell has it: each item of a list on a line of its own."""
    return "<br>".join(plain(line.removeprefix("- ")) for line in description.splitlines())


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2] or str(schema.get("title", ""))


def _headers(response: Mapping[str, Any]) -> str:
    return ", ".join(map(code, response.get("headers", {})))
