"""APIs from the `AWS::ApiGateway::*` resources of a template whose intrinsic functions are resolved."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apigateway_engine.errors import UnsupportedFeatureError
from apigateway_engine.model import Api, GatewayResponse, Integration, IntegrationResponse, Method

_MODEL_URL = re.compile(r"https://apigateway\.amazonaws\.com/restapis/[^/]+/models/(?P<name>\w+)")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource of a template.

    Attributes:
        ref: Its physical id, what `Ref` gives.
        properties: With intrinsic functions computed.
    """

    logical_id: str
    type: str
    ref: str
    properties: Mapping[str, Any]


def apis_from_resources(resources: Iterable[Resource], *, account: str, region: str) -> dict[str, Api]:
    """Assemble every REST API among the resources.

    Args:
        resources: Of one template or several; other types are passed over.
        account: `$context.accountId`.
        region: Of the API's own endpoint.

    Returns:
        Logical id → API.

    Raises:
        UnsupportedFeatureError: For an API made from an OpenAPI document, which has no resources to read.
    """
    known = [resource for resource in resources if resource.type.startswith("AWS::ApiGateway::")]
    return {
        api.logical_id: _api(
            api, [r for r in known if r.properties.get("RestApiId") == api.ref], account, region
        )
        for api in known
        if api.type == "AWS::ApiGateway::RestApi"
    }


def _api(api: Resource, parts: list[Resource], account: str, region: str) -> Api:
    if "Body" in api.properties or "BodyS3Location" in api.properties:
        raise UnsupportedFeatureError(f"{api.logical_id}: a REST API made from an OpenAPI document")
    by_type: dict[str, list[Resource]] = {}
    for part in parts:
        by_type.setdefault(part.type.rpartition("::")[2], []).append(part)
    paths = _paths(by_type.get("Resource", []))
    schemas = {m.ref: _schema(m.properties.get("Schema", {})) for m in by_type.get("Model", [])}
    validators = {v.ref: v.properties for v in by_type.get("RequestValidator", [])}
    stage = next(iter(by_type.get("Stage", [])), None)
    return Api(
        api_id=api.ref,
        stage=stage.properties.get("StageName", stage.ref) if stage else "",
        account=account,
        region=region,
        stage_variables=stage.properties.get("Variables", {}) if stage else {},
        methods=tuple(_method(m.properties, paths, schemas, validators) for m in by_type.get("Method", [])),
        gateway_responses={
            r.properties["ResponseType"]: GatewayResponse(
                status_code=int(r.properties["StatusCode"]) if "StatusCode" in r.properties else None,
                response_parameters=r.properties.get("ResponseParameters", {}),
                response_templates=r.properties.get("ResponseTemplates", {}),
            )
            for r in by_type.get("GatewayResponse", [])
        },
    )


def _paths(resources: list[Resource]) -> dict[str, str]:
    """Resource id → path; a parent that is no resource is the API's root."""
    by_id = {resource.ref: resource for resource in resources}

    def path(resource_id: str) -> str:
        resource = by_id.get(resource_id)
        return (
            ""
            if resource is None
            else f"{path(resource.properties['ParentId'])}/{resource.properties['PathPart']}"
        )

    return {resource_id: path(resource_id) for resource_id in by_id}


def _schema(schema: Any) -> dict[str, Any]:
    decoded = json.loads(schema) if isinstance(schema, str) else schema
    return dict(decoded)


def inline_models(schema: Any, schemas: Mapping[str, Any], *, within: tuple[str, ...] = ()) -> Any:
    """Replace references to other models of the API by their schemas.

    Raises:
        UnsupportedFeatureError: For a model that refers to itself through another model's URL, or to an unknown one.
    """
    if isinstance(schema, list):
        return [inline_models(item, schemas, within=within) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    match = _MODEL_URL.fullmatch(str(schema.get("$ref", "")))
    if match is None:
        return {key: inline_models(value, schemas, within=within) for key, value in schema.items()}
    name = match["name"]
    if name in within or name not in schemas:
        raise UnsupportedFeatureError(
            f"model reference {schema['$ref']!r}: recursive or unknown ({sorted(schemas)})"
        )
    return inline_models(schemas[name], schemas, within=(*within, name))


def _method(
    properties: Mapping[str, Any],
    paths: Mapping[str, str],
    schemas: Mapping[str, Any],
    validators: Mapping[str, Mapping[str, Any]],
) -> Method:
    validator = validators.get(properties.get("RequestValidatorId", ""), {})
    resource_id = properties.get("ResourceId", "")
    if _flag(properties.get("ApiKeyRequired", False)):
        raise UnsupportedFeatureError(f"{paths.get(resource_id, '/')}: API keys are not known to this engine")
    return Method(
        http_method=properties["HttpMethod"],
        resource_id=resource_id,
        resource_path=paths.get(resource_id, "/"),
        authorization_type=properties.get("AuthorizationType", "NONE"),
        authorization_scopes=tuple(properties.get("AuthorizationScopes", ())),
        request_parameters={k: _flag(v) for k, v in properties.get("RequestParameters", {}).items()},
        request_models={
            content_type: inline_models(schemas[name], schemas)
            for content_type, name in properties.get("RequestModels", {}).items()
            if name in schemas
        },
        validate_body=_flag(validator.get("ValidateRequestBody", False)),
        validate_parameters=_flag(validator.get("ValidateRequestParameters", False)),
        integration=_integration(properties.get("Integration", {"Type": "MOCK"})),
    )


def _flag(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _integration(properties: Mapping[str, Any]) -> Integration:
    return Integration(
        type=properties["Type"],
        uri=properties.get("Uri", ""),
        http_method=properties.get("IntegrationHttpMethod", "POST"),
        passthrough_behavior=properties.get("PassthroughBehavior", "WHEN_NO_MATCH"),
        request_parameters=properties.get("RequestParameters", {}),
        request_templates=properties.get("RequestTemplates", {}),
        responses=tuple(
            IntegrationResponse(
                status_code=int(response["StatusCode"]),
                selection_pattern=response.get("SelectionPattern", ""),
                response_parameters=response.get("ResponseParameters", {}),
                response_templates=response.get("ResponseTemplates", {}),
            )
            for response in properties.get("IntegrationResponses", ())
        ),
    )
