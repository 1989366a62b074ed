"""The table of an operation: its key schema, and what the API's role may do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import aws_dynamodb as dynamodb

from shared_constructs.direct_api.bindings import RouteError
from shared_constructs.direct_api.integration import MethodIntegration, statement
from shared_constructs.direct_api.vtl import json_string
from shared_constructs.table import ServiceTable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Table = ServiceTable | dynamodb.ITable


def call_table(
    table: Table,
    action: str,
    *,
    keys: Iterable[str],
    call: str,
    refused: str,
    index: str | None = None,
    reads: Collection[str] = (),
    **rest: Any,
) -> MethodIntegration:
    """Make the integration of one DynamoDB action.

    Args:
        table: The table.
        action: Of DynamoDB's API.
        keys: Names of the key attributes that the operation uses, which must be the table's or the index's.
        call: Members of the request besides the table's name.
        refused: Members that DynamoDB refuses with a ValidationException.
        index: The index that is queried.
        reads: Names of the attributes that are read from it.
        **rest: See `MethodIntegration`.

    Raises:
        RouteError: The table has other keys, or no such index, or the index does not project what is read.
    """
    resource = table.resources.table if isinstance(table, ServiceTable) else table
    _check_keys(resource, index, set(keys))
    if index and isinstance(table, ServiceTable) and (absent := {*reads} - table.attributes_of(index)):
        raise RouteError(
            f"the index {index!r} does not project {sorted(absent)}, which the route reads; it projects"
            f" {sorted(table.attributes_of(index))}"
        )
    name = f'"TableName":{json_string(resource.table_name)}'
    where = f"{resource.table_arn}/index/{index}" if index else resource.table_arn
    permissions = [statement(f"dynamodb:{action}", where)]
    if key := resource.encryption_key:
        permissions.append(statement("kms:Decrypt", key.key_arn))
        if action not in {"GetItem", "Query"}:
            permissions.append(statement("kms:GenerateDataKey", key.key_arn))
    return MethodIntegration(
        service="dynamodb",
        action=action,
        call=f"{{{name},{call}}}",
        refused=f"{{{name},{refused}}}",
        permissions=permissions,
        **rest,
    )


def _check_keys(table: dynamodb.ITable, index: str | None, keys: set[str]) -> None:
    """Compare with the key schema; an imported table has none to compare with."""
    if not keys:
        raise RouteError("key is empty; give a value for each key attribute")
    if not isinstance(table, dynamodb.Table):
        return
    try:
        schema = table.schema_v2(index)
    except RuntimeError as error:
        raise RouteError(f"the table has no index {index!r}; give it one, or query another") from error
    known = {each.name for each in (*schema.partition_keys, *schema.sort_keys)}
    if keys != known:
        of = f"the index {index!r}" if index else "the table"
        raise RouteError(f"key has the attributes {sorted(keys)}, {of}'s key is {sorted(known)}")
