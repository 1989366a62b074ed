"""A read model of another service's facts, kept by version; no function involved."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs import Construct
from service_runtime.envelope import Metadata
from states_language.definition import expression, library

from shared_constructs.customize import Customization, Customize
from shared_constructs.direct_api.json_schema import draft_04
from shared_constructs.express_workflow import ExpressWorkflow
from shared_constructs.queue_consumer import QueueConsumer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk.aws_dynamodb import ITable
    from pydantic import BaseModel

    from shared_constructs.queue_consumer import Subscription
    from shared_constructs.table import ServiceTable


HERE = Path(__file__).parent
_FIELD = re.compile(r"\$(data|metadata)\.([A-Za-z_][A-Za-z0-9_]*)")
# The keywords that `faults.jsonata` knows.
_CHECKED: Final = frozenset(
    (
        *("type", "enum", "required", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("minLength", "maxLength", "minItems", "maxItems"),
    )
)


@dataclass(frozen=True, kw_only=True)
class ProjectionResources:
    """What a `Projection` consists of.

    Attributes:
        workflow: Writes the items.
        consumer: Brings it the events.
    """

    workflow: ExpressWorkflow
    consumer: QueueConsumer


class Projection(Construct):
    """Events into items of a table, newest version wins.

    Builds a `QueueConsumer` with an Express workflow that writes each event with one conditional update: only if the
    item does not exist or holds an older version. An event that comes late, again or out of order changes nothing,
    whatever the order, so any delivery of the same events ends in the same item.

    An event that does not fit the consumed contract is believed in no part: its message fails (the execution's log
    names the field and what it should be), so that it ends in the DLQ and the item stays as it was. Required fields,
    types, enumerations and bounds of the model are checked, its patterns are not.

    Keys and attributes are JSONata expressions (without `{% %}`) over `$data` (the event's data) and `$metadata`.
    An attribute whose expression gives nothing is removed from the item.

    Args:
        scope: Construct inside a `ServiceStack`.
        construct_id: Its id; tests feed the projection by it.
        table: A `ServiceTable` or table.
        subscriptions: The events.
        model: What this service reads of their data, from `contracts.consumed`.
        key: Key attributes of the item, `{"pk": "'PRODUCT#' & $data.sku", "sk": "'PRODUCT'"}`.
        attributes: The attributes that the event determines, `{"name": "$data.name", "price": "$data.price"}`.
        version: The version that decides; default the aggregate's.
        version_attribute: Where the item keeps it; several projections into one item need one each.
        customize: Further arguments of the `workflow` and the `consumer`, such as
            `{"consumer": {"batching": Batching(size=5), "customize": {"queue": {…}}}}`.

    Attributes:
        resources: Workflow and consumer, which have resources of their own.

    Raises:
        ValueError: No key, no attributes, one of them is also the version attribute, an expression reads a field that
            the model does not have, key or version read an optional one, the version one that is no integer, or a
            customized argument that the construct decides.

    Examples:
        >>> projection = Projection(stack, "Catalogue", table=table,
        ...     subscriptions=[Subscription(source="commerce.product", detail_type="ProductChanged.v1")],
        ...     model=ProductChanged,
        ...     key={"pk": "'PRODUCT#' & $data.sku", "sk": "'PRODUCT'"}, attributes={"name": "$data.name"})
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: ServiceTable | ITable,
        subscriptions: Sequence[Subscription],
        model: type[BaseModel],
        key: Mapping[str, str],
        attributes: Mapping[str, str],
        version: str = "$metadata.aggregateVersion",
        version_attribute: str = "version",
        customize: Customize | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        if not key or not attributes:
            raise ValueError("a projection needs the item's key and at least one attribute")
        if clash := {version_attribute} & ({*key} | {*attributes}) or {*key} & {*attributes}:
            raise ValueError(
                f"{', '.join(sorted(clash))} is written twice; key, attributes and version must differ"
            )
        customization = Customization(customize, "workflow", "consumer")
        update = {
            "definition": HERE / "projection.asl.yaml",
            "substitutions": {
                "Table": table,
                "Faults": expression(
                    HERE / "faults.jsonata", Schema=json.dumps(_contract(model, key, attributes, version))
                ),
                "Update": _update(key, {version_attribute: version, **attributes}),
            },
            "per_record": True,
        }
        workflow = ExpressWorkflow(self, "Workflow", **customization.of("workflow", enforced=update))
        source = {"target": workflow, "subscriptions": subscriptions}
        consumer = QueueConsumer(self, "Consumer", **customization.of("consumer", enforced=source))
        self.resources = ProjectionResources(workflow=workflow, consumer=consumer)


def _contract(
    model: type[BaseModel], key: Mapping[str, str], attributes: Mapping[str, str], version: str
) -> dict[str, Any]:
    """Schema of the events' `detail`: the data as the model has it, and of the metadata what is read.

    Raises:
        ValueError: The expressions read what the schema does not promise.
    """
    promised = {"data": draft_04(model, custom_validators=True), "metadata": draft_04(Metadata)}
    metadata: dict[str, Any] = {}
    for read in (version, *key.values(), *attributes.values()):
        for part, name in _FIELD.findall(read):
            field = promised[part]["properties"].get(name)
            if field is None:
                raise ValueError(f"{read!r} reads {part}.{name}, which {model.__name__} does not have")
            if read not in attributes.values() and name not in promised[part].get("required", ()):
                raise ValueError(
                    f"key and version read required fields only, got {read!r}: {name} is optional"
                )
            if read == version and field.get("type") != "integer":
                raise ValueError(f"the version is an integer, got {read!r}: {name} is {field.get('type')}")
            if part == "metadata":
                metadata[name] = field
    detail = {
        "data": promised["data"],
        "metadata": {"type": "object", "properties": metadata, "required": [*metadata]},
    }
    return _checked({"type": "object", "properties": detail, "required": [*detail]})


def _checked(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What of a schema is checked; titles and descriptions would only lengthen the definition."""
    checked: dict[str, Any] = {name: value for name, value in schema.items() if name in _CHECKED}
    if fields := schema.get("properties"):
        checked["properties"] = {name: _checked(field) for name, field in fields.items()}
    if isinstance(items := schema.get("items"), dict):
        checked["items"] = _checked(items)
    for choice in {"anyOf", "oneOf"} & schema.keys():
        checked[choice] = [_checked(each) for each in schema[choice]]
    return checked


def _update(key: Mapping[str, str], attributes: Mapping[str, str]) -> str:
    keys = ", ".join(f"'{name}': $typed({value})" for name, value in key.items())
    fields = ",\n".join(
        f"{{'n': '#{position}', 'p': ':{position}', 'name': '{name}', 'value': {value}}}"
        for position, (name, value) in enumerate(attributes.items())
    )
    return expression(HERE / "update.jsonata", Typed=library("typed"), Key=keys, Fields=fields)
