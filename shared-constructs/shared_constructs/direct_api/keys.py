"""Checks that an operation names the key attributes its table has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb

from shared_constructs.direct_api.templates import RouteError

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_keys(table: Any, index: str | None, key: Mapping[str, Any]) -> None:
    """Compare a key with the table's key schema; an imported table has none to compare with.

    Args:
        table: the CDK table.
        index: the index that is queried.
        key: key attributes that the operation gives; empty for a query.

    Raises:
        RouteError: names the attributes or the index, and what the table has.
    """
    resource = table.node.default_child
    if not isinstance(resource, dynamodb.CfnTable | dynamodb.CfnGlobalTable):
        return
    stack = Stack.of(resource)
    schema = {each["attributeName"] for each in _resolved(stack, resource.key_schema)}
    if key and set(key) != schema:
        raise RouteError(f"key has the attributes {sorted(key)}, the table's key is {sorted(schema)}")
    indexes = {each["indexName"] for each in _resolved(stack, resource.global_secondary_indexes)}
    if index and index not in indexes:
        raise RouteError(f"the table has no index {index!r}; it has {sorted(indexes) or 'none'}")


def _resolved(stack: Stack, value: Any) -> list[dict[str, Any]]:
    return stack.resolve(value) or []
