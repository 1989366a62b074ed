"""The models by which API Gateway validates request bodies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from aws_cdk import aws_apigateway as apigateway

from shared_constructs.direct_api.bindings import RouteError
from shared_constructs.direct_api.json_schema import draft_04

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_MODEL_BYTES: Final = 400 * 1024
"""A schema may have 400 KB: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""


class RequestModels:
    """The models of one API, each made once.

    Args:
        rest_api: The API.
    """

    def __init__(self, rest_api: apigateway.RestApi) -> None:
        self._rest_api = rest_api
        self._made: dict[type[BaseModel], apigateway.IModel] = {}

    def of(self, model: type[BaseModel] | None, *, for_function: bool) -> dict[str, apigateway.IModel] | None:
        """Return a method's models by content type.

        A direct route takes no other type (its only template is of this one, else 415); a proxied function gets any.
        Case and parameters (`; charset=utf-8`, as Stripe sends it) are not part of a type (RFC 9110, 8.3.1; see
        `apigateway_engine.HttpRequest.media_type`).

        Args:
            model: Of the body; None for none.
            for_function: Whether a function runs the model again.

        Raises:
            ModelError: A constraint that API Gateway cannot check.
            RouteError: The schema is too large.
        """
        if model is None:
            return None
        schema = draft_04(model, custom_validators=for_function)
        if model not in self._made:
            self._made[model] = self._make(model.__name__, schema)
        types = ("application/json", "$default") if for_function else ("application/json",)
        return dict.fromkeys(types, self._made[model])

    def _make(self, name: str, schema: dict[str, object]) -> apigateway.IModel:
        if (size := len(json.dumps(schema).encode())) > MAX_MODEL_BYTES:
            raise RouteError(
                f"the schema of {name} has {size:,} bytes, API Gateway allows {MAX_MODEL_BYTES:,}"
            )
        # Not the L2 Model, whose JsonSchema knows no type lists.
        made = apigateway.CfnModel(
            self._rest_api,
            f"Model{name}",
            rest_api_id=self._rest_api.rest_api_id,
            content_type="application/json",
            description=f"Request body {name}",
            schema=schema,
        )
        if deployment := self._rest_api.latest_deployment:
            # A deployment is a snapshot: another schema needs another one.
            deployment.node.add_dependency(made)
            deployment.add_to_logical_id({"model": name, "schema": schema})
        return apigateway.Model.from_model_name(self._rest_api, f"Model{name}Name", made.ref)
