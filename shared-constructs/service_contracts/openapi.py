"""OpenAPI 3.1 of a service's API, from what is deployed: the template's methods, models and gateway responses.

What a template does not say of itself, an answer's model and a parameter's pattern, `DirectApi` keeps with the method as
metadata; for a route that a function answers, the function's router is asked. Which problems a route can answer is
read off its mapping templates, the workflow that it waits for, and the API's gateway responses.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from service_runtime.problems import CONTENT_TYPE as PROBLEM
from service_runtime.problems import ProblemDocument

from service_contracts.schemas import Components, of_model, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from service_contracts.schemas import Schema

VERSION: Final = "3.1.0"
JSON: Final = "application/json"

Template = dict[str, Any]
Router = dict[str, Any]
"""Operations by path and verb, as `routers.ask` tells them."""

_PLACES: Final = {"path": "path", "querystring": "query", "header": "header"}
_STATUS_SET: Final = re.compile(r"responseOverride\.status = (\d{3})\b")
_PROBLEM: Final = re.compile(r'"status":(\d{3}),"detail":"((?:[^"\\]|\\.)*)"')
_FROM_WORKFLOW: Final = "responseOverride.status = $"
_CORRELATION: Final = {
    "description": "The caller's, where it is acceptable, else the request's own id.",
    "schema": {"type": "string"},
}


@dataclass
class _Route:
    """A method of the template and what is known of it."""

    verb: str
    path: str
    properties: dict[str, Any]
    contract: dict[str, Any]
    template: Template

    @property
    def integration(self) -> dict[str, Any]:
        integration: dict[str, Any] = self.properties["Integration"]
        return integration

    @property
    def is_function(self) -> bool:
        return bool(self.integration["Type"] == "AWS_PROXY")

    @property
    def is_authorised(self) -> bool:
        return bool(self.properties["AuthorizationType"] != "NONE")

    @property
    def has_model(self) -> bool:
        return "RequestModels" in self.properties

    @property
    def requires_parameters(self) -> bool:
        parameters = self.properties.get("RequestParameters", {})
        return any(
            required and not name.startswith("method.request.path.") for name, required in parameters.items()
        )


# Which routes can get a gateway response that not all can.
_OCCASIONS: Final[Mapping[str, Callable[[_Route], bool]]] = {
    "ACCESS_DENIED": lambda route: route.is_authorised,
    "AUTHORIZER_CONFIGURATION_ERROR": lambda route: route.is_authorised,
    "AUTHORIZER_FAILURE": lambda route: route.is_authorised,
    "BAD_REQUEST_BODY": lambda route: route.has_model,
    "BAD_REQUEST_PARAMETERS": lambda route: route.requires_parameters,
    "EXPIRED_TOKEN": lambda route: route.is_authorised,
    "UNAUTHORIZED": lambda route: route.is_authorised,
    "UNSUPPORTED_MEDIA_TYPE": lambda route: not route.is_function,
}
# What every route can get. What is in neither needs API keys, signatures or an unknown route.
_ALWAYS: Final = (
    *("API_CONFIGURATION_ERROR", "DEFAULT_4XX", "DEFAULT_5XX", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT"),
    *("REQUEST_TOO_LARGE", "THROTTLED", "WAF_FILTERED"),
)


def openapi(
    template: Template, *, service: str, routers: Callable[[Mapping[str, Any]], Router]
) -> dict[str, Any] | None:
    """The OpenAPI document of the API in a template; None if there is no API in it.

    Args:
        template: The stateless stack's.
        service: The service's name, `order`.
        routers: Properties of a function → what its router says.

    Raises:
        ValueError: A template has two APIs, or a workflow answers with a status that is not written down in it.
    """
    apis = [each for each in template["Resources"].values() if each["Type"] == "AWS::ApiGateway::RestApi"]
    if not apis:
        return None
    if len(apis) > 1:
        raise ValueError(f"the {service} service has {len(apis)} APIs in one template; one per service")
    return _Document(template, apis[0]["Properties"], service, routers).build()


@dataclass
class _Document:
    template: Template
    api: dict[str, Any]
    service: str
    routers: Callable[[Mapping[str, Any]], Router]
    components: Components = field(default_factory=Components)

    def build(self) -> dict[str, Any]:
        self.components.add("Problem", {**of_model(ProblemDocument), "title": "Problem"})
        paths: dict[str, Any] = {}
        for route in sorted(self._routes(), key=lambda route: (route.path, route.verb)):
            paths.setdefault(route.path, {})[route.verb] = self._operation(route)
        return {
            "openapi": VERSION,
            "info": {
                "title": f"{self.service.capitalize()} API",
                "version": "1.0.0",
                "description": self.api.get("Description", ""),
            },
            "servers": [
                {
                    "url": "{apiUrl}",
                    "variables": {
                        "apiUrl": {
                            "default": "/",
                            "description": f"The SSM parameter /commerce/<stage>/{self.service}/api-url/v1.",
                        }
                    },
                }
            ],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(self.components.schemas.items())),
                "securitySchemes": self._security_schemes(paths),
            },
        }

    def _resources(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, resource in self.template["Resources"].items():
            if resource["Type"] == f"AWS::ApiGateway::{kind}":
                yield name, resource

    def _routes(self) -> Iterator[_Route]:
        resources = {name: resource["Properties"] for name, resource in self._resources("Resource")}

        def path(reference: Mapping[str, Any]) -> str:
            if (name := reference.get("Ref")) is None:
                return ""
            return f"{path(resources[name]['ParentId'])}/{resources[name]['PathPart']}"

        for _, method in self._resources("Method"):
            properties = method["Properties"]
            if properties["HttpMethod"] != "OPTIONS":
                yield _Route(
                    properties["HttpMethod"].lower(),
                    path(properties["ResourceId"]) or "/",
                    properties,
                    method.get("Metadata", {}).get("Contract", {}),
                    self.template,
                )

    # -------------------------------------------------------------------------------------------------- operations
    def _operation(self, route: _Route) -> dict[str, Any]:
        router = self._router(route) if route.is_function else {}
        operation: dict[str, Any] = {
            "operationId": route.properties.get("OperationName") or _operation_id(route.verb, route.path)
        }
        if parameters := [*self._parameters(route, router)]:
            operation["parameters"] = parameters
        if body := self._body(route, router):
            operation["requestBody"] = body
        operation["responses"] = self._responses(route, router)
        if route.is_authorised:
            scopes = route.properties.get("AuthorizationScopes", [])
            operation["security"] = [{_SCHEMES[route.properties["AuthorizationType"]]: scopes}]
        else:
            operation["security"] = []
        return operation

    def _router(self, route: _Route) -> Router:
        """What the function's router says of a route, its schemas moved here."""
        uri = json.dumps(route.integration["Uri"])
        functions = self.template["Resources"]
        name = next(
            each["Properties"]["FunctionName"]["Ref"]
            for alias, each in functions.items()
            if each["Type"] == "AWS::Lambda::Alias" and f'"{alias}"' in uri
        )
        paths = self.routers(functions[name]["Properties"])
        shape = re.sub(r"\{[^}]*\}", "{}", route.path)
        operation: Router = next(
            (
                operations[route.verb]
                for path, operations in paths.items()
                if re.sub(r"\{[^}]*\}", "{}", path) == shape and route.verb in operations
            ),
            {},
        )
        if not operation:
            raise ValueError(
                f"{route.verb.upper()} {route.path} is deployed, but the router of {name} has no such route"
            )
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            for content in part.get("content", {}).values():
                if title := content["schema"].get("title"):
                    content["schema"] = self.components.add(title, content["schema"])
        return operation

    def _parameters(self, route: _Route, router: Router) -> Iterator[dict[str, Any]]:
        told = {**route.contract.get("Parameters", {})}
        in_path = [each for each in router.get("parameters", ()) if each["in"] == "path"]
        if in_path:
            # The router has names of its own; places are what both share.
            names = re.findall(r"\{([^}]*)\}", route.path)
            told["path"] = {name: each["schema"] for name, each in zip(names, in_path, strict=True)}
        deployed = {
            (_PLACES[place], name): required
            for place, name, required in (
                (*key.removeprefix("method.request.").split(".", 1), required)
                for key, required in route.properties.get("RequestParameters", {}).items()
            )
        }
        for (place, name), required in sorted(deployed.items()):
            schema = dict(told.get(place, {}).get(name, {"type": "string"}))
            description = schema.pop("description", None)
            yield {
                "name": name,
                "in": place,
                "required": required,
                **({"description": description} if description else {}),
                "schema": schema,
            }
        if route.is_function:
            yield {
                "name": "X-Correlation-Id",
                "in": "header",
                "required": False,
                "schema": {"type": "string"},
            }

    def _body(self, route: _Route, router: Router) -> dict[str, Any] | None:
        models = route.properties.get("RequestModels", {})
        if JSON in models:
            model = self.template["Resources"][models[JSON]["Ref"]]["Properties"]
            schema = _untitled(_from_draft_04(model["Schema"]))
            return {
                "required": True,
                "content": {JSON: {"schema": self.components.add(schema.get("title", "Body"), schema)}},
            }
        return router.get("requestBody")

    # --------------------------------------------------------------------------------------------------- responses
    def _responses(self, route: _Route, router: Router) -> dict[str, Any]:
        problems: dict[int, list[str]] = {}
        successes: set[int] = set()
        for status, detail in (*_from_templates(route), *self._from_gateway(route)):
            if status < HTTPStatus.BAD_REQUEST:
                successes.add(status)
            else:
                details = problems.setdefault(status, [])
                details += [detail] if detail and detail not in details else []
        responses: dict[str, Any] = {}
        for status in sorted(successes):
            responses[str(status)] = self._success(route, status)
        for status, response in router.get("responses", {}).items():
            if int(status) < HTTPStatus.BAD_REQUEST:
                responses[status] = {**response, "headers": {"X-Correlation-Id": _CORRELATION}}
            else:
                details = problems.setdefault(int(status), [])
                details += [response["description"]] if response["description"] not in details else []
        for status, details in sorted(problems.items()):
            responses[str(status)] = _problem(status, details)
        return dict(sorted(responses.items()))

    def _success(self, route: _Route, status: int) -> dict[str, Any]:
        response: dict[str, Any] = {
            "description": HTTPStatus(status).phrase,
            "headers": {"X-Correlation-Id": _CORRELATION},
        }
        if status == HTTPStatus.NO_CONTENT:
            return response
        schema = route.contract.get("Response")
        if schema is None:
            shown: Schema = {"type": "object"}
        elif title := schema.get("title"):
            shown = self.components.add(title, _untitled(schema))
        else:
            shown = _untitled(schema)
        return {**response, "content": {JSON: {"schema": shown}}}

    def _from_gateway(self, route: _Route) -> Iterator[tuple[int, str]]:
        for _, resource in self._resources("GatewayResponse"):
            properties = resource["Properties"]
            kind = properties["ResponseType"]
            if kind in _ALWAYS or (kind in _OCCASIONS and _OCCASIONS[kind](route)):
                template = properties["ResponseTemplates"][JSON]
                found = _PROBLEM.search(template)
                yield int(properties["StatusCode"]), _plain(found[2]) if found else ""

    def _security_schemes(self, paths: Mapping[str, Any]) -> dict[str, Any]:
        used = {
            name
            for operations in paths.values()
            for operation in operations.values()
            for requirement in operation["security"]
            for name in requirement
        }
        return {name: scheme for name, scheme in _SECURITY_SCHEMES.items() if name in used}


_SCHEMES: Final = {"COGNITO_USER_POOLS": "customerToken", "AWS_IAM": "serviceSignature"}
_SECURITY_SCHEMES: Final = {
    "customerToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of the platform's user pool with one of the scopes.",
    },
    "serviceSignature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4, by a role that may execute-api:Invoke.",
    },
}


def _operation_id(verb: str, path: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", path)
    return verb + "".join(word[0].upper() + word[1:] for word in words)


def _problem(status: int, details: list[str]) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Correlation-Id": _CORRELATION}
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers["Retry-After"] = {"description": "In seconds.", "schema": {"type": "string"}}
    return {
        "description": "\n".join(f"- {each}" for each in details) or HTTPStatus(status).phrase,
        "headers": headers,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _from_templates(route: _Route) -> Iterator[tuple[int, str]]:
    """Every status that a route's mapping templates can answer with, and a problem's detail."""
    for response in route.integration.get("IntegrationResponses", ()):
        text = _joined(response.get("ResponseTemplates", {}).get(JSON, ""))
        status = int(response["StatusCode"])
        if status < HTTPStatus.BAD_REQUEST:
            yield status, ""
        yield from ((int(each), "") for each in _STATUS_SET.findall(text))
        yield from ((int(each), _plain(detail)) for each, detail in _PROBLEM.findall(text))
        if _FROM_WORKFLOW in text:
            yield from _from_workflow(route)


def _from_workflow(route: _Route) -> Iterator[tuple[int, str]]:
    """Every status that the workflow behind a route can answer with: `problem` and `statusCode` of its states' output."""
    request = _joined(route.integration["RequestTemplates"][JSON])
    resources = route.template["Resources"]
    aliased = {
        resource["Properties"]["DeploymentPreference"]["StateMachineVersionArn"]["Ref"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::StepFunctions::StateMachineAlias" and f"{{{name}}}" in request
    }
    machines = {resources[version]["Properties"]["StateMachineArn"]["Ref"] for version in aliased}
    for name, resource in resources.items():
        if resource["Type"] == "AWS::StepFunctions::StateMachine" and name in machines:
            for part in walk(json.loads(_joined(resource["Properties"]["DefinitionString"]))):
                problem = part.get("problem")
                told = (problem.get("status"), problem.get("detail")) if isinstance(problem, dict) else None
                told = told or ((part["statusCode"], "") if "statusCode" in part else None)
                if told is None:
                    continue
                if not isinstance(told[0], int):
                    raise ValueError(  # noqa: TRY004 - the definition's fault
                        f"{name} answers {route.verb.upper()} {route.path} with the status {told[0]!r}; "
                        "write the number down, so that it can be published"
                    )
                yield told[0], "" if str(told[1]).startswith("{%") else str(told[1])


def _joined(value: Any) -> str:
    """A template's text, with `{LogicalId}` where CloudFormation puts something in."""
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(_joined, parts))
        case {"Ref": name} | {"Fn::GetAtt": [name, *_]}:
            return f"{{{name}}}"
        case _:
            return "{}"


def _plain(detail: str) -> str:
    """A detail as a caller sees it: JSON's escapes resolved, the gateway's own words left out."""
    return str(json.loads(f'"{detail}"')).replace(" $context.error.validationErrorString", "").strip()


def _untitled(schema: Any) -> Any:
    """Without a title on every field, which would say its name again."""
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _untitled(value) for name, value in schema.items()}
    for name in ("properties", "items", "additionalProperties"):
        inner = found.get(name)
        for each in inner.values() if name == "properties" and isinstance(inner, dict) else (inner,):
            if isinstance(each, dict) and "properties" not in each:
                each.pop("title", None)
    return found


def _from_draft_04(schema: Any) -> Any:
    """A model of API Gateway in the dialect of OpenAPI 3.1."""
    if isinstance(schema, list):
        return [_from_draft_04(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _from_draft_04(value) for name, value in schema.items() if name != "$schema"}
    for bound in ("minimum", "maximum"):
        exclusive = f"exclusive{bound.capitalize()}"
        if found.get(exclusive) is True:
            found[exclusive] = found.pop(bound)
        elif found.get(exclusive) is False:
            del found[exclusive]
    return found
