"""The events of a service in the platform's EventBridge schema registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_cdk.aws_eventschemas import CfnSchema
from constructs import Construct
from service_runtime.envelope import Metadata, published_events
from service_topology import PLATFORM

from shared_constructs.direct_api.json_schema import draft_04
from shared_constructs.service import ServiceStack

if TYPE_CHECKING:
    from types import ModuleType

    from service_runtime.envelope import PublishedEvent

DIALECT = "http://json-schema.org/draft-04/schema#"


class EventSchemas(Construct):
    """A schema per event and major that a service publishes, envelope included, where consumers look events up.

    One `AWS::EventSchemas::Schema` each, `commerce.order@OrderPlaced.v1`, in the account's registry, which the platform
    makes and publishes as the parameter `schema-registry-name`. A changed schema is a new version of it. The registry
    costs nothing and nobody reads it at run time: the contract is what is committed, this shows it in the AWS console.

    Args:
        scope: The service's stateless stack.
        construct_id: Its id there.
        published: The module with the models, `<service>.contracts.published`.

    Raises:
        TypeError: Outside a `ServiceStack`.
        ModelError: A model has a constraint that the registry's JSON Schema draft-04 cannot express.
    """

    def __init__(self, scope: Construct, construct_id: str, *, published: ModuleType) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        registry = stack.import_parameter(PLATFORM, "schema-registry-name")
        source = f"commerce.{stack.service}"
        for detail_type, model in published_events(published).items():
            CfnSchema(
                self,
                detail_type.replace(".", ""),
                registry_name=registry,
                schema_name=f"{source}@{detail_type}",
                type="JSONSchemaDraft4",
                description=f"{detail_type} of {source}",
                content=json.dumps(_envelope(source, detail_type, model)),
            )


def _envelope(source: str, detail_type: str, model: type[PublishedEvent]) -> dict[str, Any]:
    def part(of: type[Metadata | PublishedEvent]) -> dict[str, Any]:
        return {
            name: value for name, value in draft_04(of, custom_validators=True).items() if name != "$schema"
        }

    return {
        "$schema": DIALECT,
        "title": detail_type,
        "type": "object",
        "required": ["source", "detail-type", "detail"],
        "properties": {
            "source": {"enum": [source]},
            "detail-type": {"enum": [detail_type]},
            "detail": {
                "type": "object",
                "required": ["metadata", "data"],
                "properties": {"metadata": part(Metadata), "data": part(model)},
            },
        },
    }
