"""The construct: a REST API made of operations."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Stack, Validations
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from shared_constructs.direct_api.gateway_responses import DETAILS, GATEWAY_RESPONSES
from shared_constructs.direct_api.json_schema import draft_04
from shared_constructs.direct_api.keys import check_keys
from shared_constructs.direct_api.operations import InvokeFunction, MethodIntegration, RouteContext
from shared_constructs.direct_api.shapes import ModelError
from shared_constructs.direct_api.templates import RouteError
from shared_constructs.direct_api.values import Source
from shared_constructs.direct_api.vtl import MAX_TEMPLATE_BYTES, literal
from shared_constructs.service import ServiceStack
from shared_constructs.validation import check_at_synth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_cdk import aws_cognito as cognito
    from pydantic import BaseModel

    from shared_constructs.direct_api.operations import AnyOperation

#: Resources of one API, a quota: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
MAX_RESOURCES: Final = 300
#: A model's schema may have 400 KB, same page.
MAX_MODEL_BYTES: Final = 400 * 1024
#: The name of the only API Gateway stage; the platform's stages are accounts or stacks of their own.
STAGE_NAME: Final = "live"

_METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
_RESPONSE_HEADERS: Final = ("Content-Type", "ETag", "Location", "Retry-After", "X-Correlation-Id")
_REQUEST_HEADERS: Final = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-Correlation-Id")
_SEGMENT: Final = re.compile(r"\{[A-Za-z][A-Za-z0-9_]*\}|[A-Za-z0-9._~-]+")
_ACCESS_LOG: Final = {
    "requestId": "$context.requestId",
    "extendedRequestId": "$context.extendedRequestId",
    "traceId": "$context.xrayTraceId",
    "requestTime": "$context.requestTime",
    "httpMethod": "$context.httpMethod",
    "resourcePath": "$context.resourcePath",
    "status": "$context.status",
    "responseLength": "$context.responseLength",
    "responseLatencyMs": "$context.responseLatency",
    "integrationLatencyMs": "$context.integration.latency",
    "integrationStatus": "$context.integration.status",
    "errorType": "$context.error.responseType",
    "error": "$context.error.message",
}


@dataclass(frozen=True)
class Public:
    """Anybody may call."""


@dataclass(frozen=True)
class Iam:
    """Callers sign with AWS credentials whose policy allows execute-api:Invoke: service to service."""


@dataclass(frozen=True, init=False)
class Scopes:
    """Callers present a user pool's access token with one of these scopes."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        if not names:
            raise ValueError(
                "Scopes needs at least one scope, such as commerce/shop; without one any token would do"
            )
        object.__setattr__(self, "names", names)


PUBLIC: Final = Public()
IAM: Final = Iam()


@dataclass(frozen=True, kw_only=True)
class Throttle:
    """How many requests are let through; more are answered 429.

    Attributes:
        rate: requests per second.
        burst: requests at one instant.
    """

    rate: int
    burst: int

    def __post_init__(self) -> None:
        if self.rate < 1 or self.burst < 1:
            raise ValueError(f"Throttle needs rate and burst of at least 1, got {self.rate} and {self.burst}")


@dataclass(frozen=True, kw_only=True)
class Cors:
    """Which browser pages may call the API. Tokens travel in a header, so credentials mode stays off.

    Attributes:
        origins: `https://shop.example.com`, or `*`.
        max_age: how long a browser may keep the answer to its preflight.
    """

    origins: Sequence[str]
    max_age: Duration = Duration.hours(1)  # noqa: RUF009 - a Duration never changes

    def __post_init__(self) -> None:
        if not self.origins or ("*" in self.origins and len(self.origins) > 1):
            raise ValueError(f"Cors needs origins: some, or only '*', got {list(self.origins)}")


class DirectApi(Construct):
    """A regional REST API whose routes call AWS services directly.

    Request validation is on for every route; a body of another type than application/json is 415; every error is an
    RFC 9457 problem; every answer carries X-Correlation-Id; access and execution logs have the stage's retention; one
    role holds exactly the actions and resources that the routes use. The URL is published as an SSM parameter.

    Args:
        scope: construct inside a `ServiceStack`.
        construct_id: its id there.
        description: what the API is for.
        cors: by default the stage's origins, none of which means no CORS.
        throttle: of the whole API; by default the stage's.
        user_pool: whose tokens authorise `Scopes` routes; by default the platform's.
        published_as: name of the SSM parameter with the URL.
        customize: called with the L2 `RestApi` once it exists, for what this construct does not offer.

    Attributes:
        rest_api: the L2 API.
        role: the one role of all direct integrations.
        url: where the API answers, without a slash at the end.
        access_log: the log group of the access log.

    Raises:
        TypeError: outside a `ServiceStack`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        cors: Cors | None = None,
        throttle: Throttle | None = None,
        user_pool: cognito.IUserPool | None = None,
        published_as: str = "api-url",
        customize: Callable[[apigateway.RestApi], None] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._service_stack = ServiceStack.of(self)
        stage = self._service_stack.stage
        self._cors = cors or (Cors(origins=stage.cors_origins) if stage.cors_origins else None)
        self._user_pool = user_pool
        self._throttle = throttle or Throttle(rate=stage.throttle_rate, burst=stage.throttle_burst)
        self._routes: dict[tuple[str, str], str] = {}
        self._throttles: dict[tuple[str, str], Throttle] = {}
        self._models: dict[type[BaseModel], apigateway.IModel] = {}
        self._statements: set[str] = set()
        self.access_log = logs.LogGroup(
            self, "AccessLog", retention=stage.log_retention, removal_policy=RemovalPolicy.DESTROY
        )
        self.rest_api = self._rest_api(description)
        self._validator = self.rest_api.add_request_validator(
            "Validator", validate_request_body=True, validate_request_parameters=True
        )
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            description=f"Calls AWS services for the API {self.node.path}",
        )
        self._gateway_responses()
        self._execution_log()
        self._limit()
        self.url = (
            f"https://{self.rest_api.rest_api_id}.execute-api.{self._service_stack.region}."
            f"{self._service_stack.url_suffix}/{STAGE_NAME}"
        )
        self._service_stack.export_parameter(published_as, self.url)
        Validations.of(self.rest_api.deployment_stage).acknowledge(
            Acknowledgment(
                id="AwsSolutions-APIG3",
                reason="A web ACL is a part of a stage that the platform associates, not of each API.",
            )
        )
        check_at_synth(self, self._faults)
        if customize:
            customize(self.rest_api)

    # ---------------------------------------------------------------------------------------------------- routes
    def route(
        self,
        method: str,
        path: str,
        operation: AnyOperation,
        *,
        auth: Public | Iam | Scopes,
        name: str | None = None,
        throttle: Throttle | None = None,
    ) -> apigateway.Method:
        """Add a route.

        Args:
            method: DELETE, GET, PATCH, POST or PUT.
            path: `/products/{sku}`.
            operation: what the route does.
            auth: who may call it.
            name: operation name in exported API descriptions.
            throttle: of this route alone.

        Returns:
            The L2 method.

        Raises:
            RouteError: names the route and what cannot work: a duplicate, a path parameter that is unused or unknown, a
                missing key attribute, a claim without `Scopes`, a model that cannot be expressed, a template too large.
        """
        where = f"{method} {path}"
        try:
            self._check_route(method, path)
            if isinstance(operation, InvokeFunction):
                added = self._add_function(method, path, operation, auth, name)
            else:
                added = self._add_integration(method, path, operation, auth, name)
        except (ModelError, RouteError, ValueError) as error:
            raise RouteError(f"{where}: {error}") from error
        self._acknowledge(added, auth)
        if throttle:
            self._throttles[method, path] = throttle
            self._limit()
        return added

    def _check_route(self, method: str, path: str) -> None:
        if method not in _METHODS:
            raise RouteError(f"method must be one of {', '.join(_METHODS)}, got {method!r}")
        segments = path.split("/")
        if segments[0] or (path != "/" and not all(_SEGMENT.fullmatch(each) for each in segments[1:])):
            raise RouteError("a path is /words/{names} without a slash at the end")
        shape = re.sub(r"\{[^}]*\}", "{}", path)
        if (method, shape) in self._routes:
            raise RouteError(f"the route exists already, as {method} {self._routes[method, shape]}")
        self._routes[method, shape] = path

    def _add_function(
        self, method: str, path: str, operation: InvokeFunction, auth: Public | Iam | Scopes, name: str | None
    ) -> apigateway.Method:
        return self._resource(path).add_method(
            method,
            apigateway.LambdaIntegration(operation.target, proxy=True, allow_test_invoke=False),
            request_validator=self._validator,
            request_models=self._request_models(operation.request_model, for_function=True),
            request_parameters={f"method.request.path.{each}": True for each in _names_in(path)} or None,
            operation_name=name,
            **self._authorization(auth),  # type: ignore[arg-type]
        )

    def _add_integration(
        self, method: str, path: str, operation: AnyOperation, auth: Public | Iam | Scopes, name: str | None
    ) -> apigateway.Method:
        assert not isinstance(operation, InvokeFunction)  # noqa: S101 - the caller looked
        stack = self._service_stack
        integration = operation.integration(
            RouteContext(service=stack.service, stage=stack.stage.name, bus=lambda: stack.event_bus)
        )
        _check_parameters(integration, path, auth)
        if integration.keys:
            check_keys(*integration.keys)
        parameters = _request_parameters(integration)
        for statement in integration.permissions:
            self._allow(statement)
        return self._resource(path).add_method(
            method,
            self._aws_integration(integration),
            request_validator=self._validator,
            request_models=self._request_models(operation.request_model, for_function=False),
            request_parameters=parameters or None,
            method_responses=[
                apigateway.MethodResponse(
                    status_code=str(status),
                    response_parameters={
                        f"method.response.header.{each}": True for each in self._declared_headers()
                    },
                )
                for status in (integration.success_status, 400, 500)
            ],
            operation_name=name,
            **self._authorization(auth),  # type: ignore[arg-type]
        )

    def _aws_integration(self, integration: MethodIntegration) -> apigateway.AwsIntegration:
        templates = {
            group: self._cors_head() + self._sized(template, f"response {group}")
            for group, template in integration.responses.items()
        }
        problem = {"method.response.header.Content-Type": "'application/problem+json'"}
        groups: tuple[tuple[str, str | None, str, dict[str, str]], ...] = (
            (str(integration.success_status), r"2\d{2}", templates["200"], {}),
            ("400", r"4\d{2}", templates["400"], problem),
            # No pattern: whatever is not known is an error, never a success.
            ("500", None, templates["500"], problem),
        )
        return apigateway.AwsIntegration(
            service=integration.service,
            action=integration.action,
            path=integration.path,
            integration_http_method="POST",
            options=apigateway.IntegrationOptions(
                credentials_role=self.role,
                passthrough_behavior=apigateway.PassthroughBehavior.NEVER,
                request_parameters={
                    f"integration.request.header.{name}": f"'{value}'"
                    for name, value in integration.headers.items()
                }
                or None,
                request_templates={"application/json": self._sized(integration.request, "request")},
                integration_responses=[
                    apigateway.IntegrationResponse(
                        status_code=status,
                        selection_pattern=pattern,
                        response_parameters={**parameters, **self._cors_parameters()} or None,
                        response_templates={"application/json": template},
                    )
                    for status, pattern, template, parameters in groups
                ],
            ),
        )

    def _sized(self, template: str, what: str) -> str:
        size = len(json.dumps(Stack.of(self).resolve(template)).encode())
        if size > MAX_TEMPLATE_BYTES:
            raise RouteError(
                f"the {what} template has {size:,} bytes, API Gateway allows {MAX_TEMPLATE_BYTES:,}; use a smaller model"
            )
        return template

    def _resource(self, path: str) -> apigateway.IResource:
        return self.rest_api.root if path == "/" else self.rest_api.root.resource_for_path(path)

    def _allow(self, statement: iam.PolicyStatement) -> None:
        fingerprint = json.dumps(Stack.of(self).resolve(statement.to_statement_json()), sort_keys=True)
        if fingerprint not in self._statements:
            self._statements.add(fingerprint)
            self.role.add_to_policy(statement)

    def _request_models(
        self, model: type[BaseModel] | None, *, for_function: bool
    ) -> Mapping[str, apigateway.IModel] | None:
        if model is None:
            return None
        schema = draft_04(model, custom_validators=for_function)
        if model not in self._models:
            if (size := len(json.dumps(schema).encode())) > MAX_MODEL_BYTES:
                raise RouteError(
                    f"the schema of {model.__name__} has {size:,} bytes, API Gateway allows {MAX_MODEL_BYTES:,}"
                )
            construct_id = f"Model{model.__name__}"
            created = apigateway.CfnModel(
                self.rest_api,
                construct_id,
                rest_api_id=self.rest_api.rest_api_id,
                content_type="application/json",
                description=f"Request body {model.__name__}",
                schema=schema,
            )
            deployment = self.rest_api.latest_deployment
            if deployment:
                # A deployment is a snapshot: another schema needs another one.
                deployment.node.add_dependency(created)
                deployment.add_to_logical_id({"model": model.__name__, "schema": schema})
            self._models[model] = apigateway.Model.from_model_name(
                self.rest_api, f"{construct_id}Name", created.ref
            )
        # A direct route takes no other type (its only template is of this one, else 415); a proxied function gets any.
        types = ("application/json", "$default") if for_function else ("application/json",)
        return dict.fromkeys(types, self._models[model])

    # ------------------------------------------------------------------------------------------------------- auth
    def _authorization(self, auth: Public | Iam | Scopes) -> dict[str, object]:
        match auth:
            case Scopes(names):
                return {
                    "authorization_type": apigateway.AuthorizationType.COGNITO,
                    "authorizer": self._authorizer,
                    "authorization_scopes": list(names),
                }
            case Iam():
                return {"authorization_type": apigateway.AuthorizationType.IAM}
            case _:
                return {"authorization_type": apigateway.AuthorizationType.NONE}

    @property
    def _authorizer(self) -> apigateway.IAuthorizer:
        existing = self.node.try_find_child("Authorizer")
        if existing is None:
            pool = self._user_pool or self._service_stack.user_pool
            return apigateway.CognitoUserPoolsAuthorizer(self, "Authorizer", cognito_user_pools=[pool])
        return existing  # type: ignore[return-value]

    def _acknowledge(self, method: apigateway.Method, auth: Public | Iam | Scopes) -> None:
        if isinstance(auth, Scopes):
            return
        reason = (
            "The route is public by design; throttling and validation protect it."
            if isinstance(auth, Public)
            else "Services call the route, and sign with their own roles."
        )
        if isinstance(auth, Public):
            Validations.of(method).acknowledge(Acknowledgment(id="AwsSolutions-APIG4", reason=reason))
        Validations.of(method).acknowledge(Acknowledgment(id="AwsSolutions-COG4", reason=reason))

    # -------------------------------------------------------------------------------------------------------- API
    def _rest_api(self, description: str) -> apigateway.RestApi:
        stage = self._service_stack.stage
        return apigateway.RestApi(
            self,
            "RestApi",
            rest_api_name=f"commerce-{stage.name}-{self._service_stack.service}",
            description=description,
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            cloud_watch_role=False,  # one per account and region, made by the platform
            deploy_options=apigateway.StageOptions(
                stage_name=STAGE_NAME,
                tracing_enabled=stage.tracing,
                metrics_enabled=True,
                logging_level=apigateway.MethodLoggingLevel.ERROR,
                data_trace_enabled=False,  # bodies can hold personal data
                access_log_destination=apigateway.LogGroupLogDestination(self.access_log),
                access_log_format=apigateway.AccessLogFormat.custom(json.dumps(_ACCESS_LOG)),
            ),
            default_cors_preflight_options=self._preflight(),
        )

    def _execution_log(self) -> None:
        """API Gateway would create this group itself, and keep it for ever."""
        group = logs.LogGroup(
            self,
            "ExecutionLog",
            log_group_name=f"API-Gateway-Execution-Logs_{self.rest_api.rest_api_id}/{STAGE_NAME}",
            retention=self._service_stack.stage.log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.rest_api.deployment_stage.node.add_dependency(group)

    def _limit(self) -> None:
        """Write the throttles of the API and of single routes into the stage."""
        stage = self.rest_api.deployment_stage.node.default_child
        assert isinstance(stage, apigateway.CfnStage)  # noqa: S101 - an L2 Stage has one
        setting = apigateway.CfnStage.MethodSettingProperty
        stage.method_settings = [
            setting(
                http_method=method,
                resource_path="/*" if path == "*" else "/" + path.replace("/", "~1"),
                throttling_rate_limit=throttle.rate,
                throttling_burst_limit=throttle.burst,
                logging_level="ERROR",
                data_trace_enabled=False,
                metrics_enabled=True,
            )
            for (method, path), throttle in {("*", "*"): self._throttle, **self._throttles}.items()
        ]

    def _gateway_responses(self) -> None:
        for response_type, problem in GATEWAY_RESPONSES.items():
            headers = {"Content-Type": "'application/problem+json'", "X-Correlation-Id": "context.requestId"}
            if problem.retry_after_seconds is not None:
                headers["Retry-After"] = f"'{problem.retry_after_seconds}'"
            if response_type == "UNAUTHORIZED":
                headers["WWW-Authenticate"] = "'Bearer'"
            if self._cors:
                # A gateway response cannot choose between origins; without credentials "*" gives nothing away.
                origins = self._cors.origins
                headers["Access-Control-Allow-Origin"] = f"'{origins[0] if len(origins) == 1 else '*'}'"
                headers["Access-Control-Expose-Headers"] = f"'{','.join(_RESPONSE_HEADERS)}'"
            self.rest_api.add_gateway_response(
                response_type.title().replace("_", ""),
                type=apigateway.ResponseType.of(response_type),
                status_code=str(problem.status),
                response_headers=headers,
                templates={"application/json": problem.json(detail=DETAILS.get(response_type))},
            )

    # ------------------------------------------------------------------------------------------------------- CORS
    def _preflight(self) -> apigateway.CorsOptions | None:
        if not self._cors:
            return None
        return apigateway.CorsOptions(
            allow_origins=list(self._cors.origins),
            allow_methods=list(_METHODS),
            allow_headers=list(_REQUEST_HEADERS),
            expose_headers=list(_RESPONSE_HEADERS),
            max_age=self._cors.max_age,
        )

    def _declared_headers(self) -> tuple[str, ...]:
        cors = ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Vary") if self._cors else ()
        return (*_RESPONSE_HEADERS, *cors)

    def _cors_parameters(self) -> dict[str, str]:
        if not self._cors:
            return {}
        parameters = {
            "method.response.header.Access-Control-Expose-Headers": f"'{','.join(_RESPONSE_HEADERS)}'"
        }
        origin = self._cors.origins[0]
        if len(self._cors.origins) == 1:
            parameters["method.response.header.Access-Control-Allow-Origin"] = f"'{origin}'"
        if origin != "*":
            parameters["method.response.header.Vary"] = "'Origin'"
        return parameters

    def _cors_head(self) -> str:
        """Answer with the caller's origin where several are allowed, as a header can name only one."""
        if not self._cors or len(self._cors.origins) == 1:
            return ""
        allowed = " || ".join(f"$origin == {literal(each)}" for each in self._cors.origins)
        return (
            '#set($origin = "")#foreach($name in $input.params().header.keySet())'
            "#if($name.equalsIgnoreCase('Origin'))#set($origin = $input.params().header.get($name))#end#end"
            f"#if({allowed})#set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)#end\n"
        )

    # ------------------------------------------------------------------------------------------------------ checks
    def _faults(self) -> list[str]:
        faults = [] if self._routes else ["a DirectApi needs at least one route"]
        paths = {
            path.rsplit("/", depth)[0] for path in self._routes.values() for depth in range(path.count("/"))
        }
        if len(paths) > MAX_RESOURCES:
            faults.append(f"the API has {len(paths)} resources, API Gateway allows {MAX_RESOURCES}; split it")
        for child in self.rest_api.node.find_all():
            if isinstance(child, apigateway.Method) and child.http_method == "OPTIONS":
                reason = "A preflight carries no credentials, by the CORS protocol."
                Validations.of(child).acknowledge(
                    Acknowledgment(id="AwsSolutions-APIG4", reason=reason),
                    Acknowledgment(id="AwsSolutions-COG4", reason=reason),
                )
        return faults


def _names_in(path: str) -> list[str]:
    return re.findall(r"\{([^}]*)\}", path)


def _check_parameters(integration: MethodIntegration, path: str, auth: Public | Iam | Scopes) -> None:
    names = set(_names_in(path))
    used = {
        name for each in integration.bindings for source, name in each.parameters if source is Source.PATH
    }
    if unknown := sorted(used - names):
        raise RouteError(
            f"path parameters {unknown} are used but not in the route, which has {sorted(names)}"
        )
    if unused := sorted(names - used):
        raise RouteError(f"path parameters {unused} are in the route but not used; use or remove them")
    claims = sorted({name for each in integration.bindings for name in each.claims})
    if claims and not isinstance(auth, Scopes):
        raise RouteError(f"claims {claims} need auth=Scopes(…): without a verified token there are none")


def _request_parameters(integration: MethodIntegration) -> dict[str, bool]:
    return {
        f"method.request.{source}.{name}": parameter.required
        for bindings in integration.bindings
        for (source, name), parameter in bindings.parameters.items()
    }
