"""A read model of another service's facts, kept by version; no function involved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from constructs import Construct
from states_language.definition import expression, library

from shared_constructs.consumed import believed, fields_read
from shared_constructs.customize import Customization, Customize
from shared_constructs.express_workflow import ExpressWorkflow
from shared_constructs.queue_consumer import QueueConsumer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk.aws_dynamodb import ITable
    from pydantic import BaseModel

    from shared_constructs.queue_consumer import Subscription
    from shared_constructs.table import ServiceTable


HERE = Path(__file__).parent


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
        for field, schema in fields_read(model, version).items():
            if schema.get("type") != "integer":
                raise ValueError(
                    f"the version is an integer, got {version!r}: {field} is {schema.get('type')}"
                )
        update = {
            "definition": believed(
                HERE / "projection.asl.yaml",
                model,
                required=(version, *key.values()),
                optional=[*attributes.values()],
            ),
            "substitutions": {
                "Table": table,
                "Update": _update(key, {version_attribute: version, **attributes}),
            },
            "per_record": True,
        }
        workflow = ExpressWorkflow(self, "Workflow", **customization.of("workflow", enforced=update))
        source = {"target": workflow, "subscriptions": subscriptions}
        consumer = QueueConsumer(self, "Consumer", **customization.of("consumer", enforced=source))
        self.resources = ProjectionResources(workflow=workflow, consumer=consumer)


def _update(key: Mapping[str, str], attributes: Mapping[str, str]) -> str:
    keys = ", ".join(f"'{name}': $typed({value})" for name, value in key.items())
    fields = ",\n".join(
        f"{{'n': '#{position}', 'p': ':{position}', 'name': '{name}', 'value': {value}}}"
        for position, (name, value) in enumerate(attributes.items())
    )
    return expression(HERE / "update.jsonata", Typed=library("typed"), Key=keys, Fields=fields)
