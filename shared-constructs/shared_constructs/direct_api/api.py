"""The construct: a REST API made of operations."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from aws_cdk import Acknowledgment, Aspects, RemovalPolicy, Stack, Validations
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from shared_constructs.alarms import MAX_ERROR_RATE, PERIOD, REPEATED, alarm_above
from shared_constructs.customize import Customization
from shared_constructs.direct_api import methods
from shared_constructs.direct_api.authorisation import (
    Authorisation,
    Public,
    acknowledge,
    acknowledge_all,
    caller_of,
    method_options,
)
from shared_constructs.direct_api.bindings import RouteError
from shared_constructs.direct_api.cors import METHODS, Cors
from shared_constructs.direct_api.described import METADATA
from shared_constructs.direct_api.functions import InvokeFunction
from shared_constructs.direct_api.gateway_responses import add_gateway_responses
from shared_constructs.direct_api.models import RequestModels
from shared_constructs.direct_api.shapes import ModelError
from shared_constructs.direct_api.step_functions import StartWorkflow
from shared_constructs.direct_api.throttling import MethodSettings, Throttle
from shared_constructs.direct_api.web_acl import MIN_SOURCE_LIMIT, WebAcl
from shared_constructs.function import ServiceFunction
from shared_constructs.queries import FAILED_REQUESTS, saved
from shared_constructs.service import ServiceStack
from shared_constructs.validation import check_at_synth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_cognito as cognito
    from aws_cdk import aws_wafv2 as wafv2

    from shared_constructs.customize import Customize
    from shared_constructs.direct_api.integration import Operation

MAX_RESOURCES: Final = 300
"""Resources of one API, a quota: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""

STAGE_NAME: Final = "live"
"""The name of the only API Gateway stage; the platform's stages are accounts or stacks of their own."""

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
    # Whose token it was, by its pseudonym, or whose AWS identity, and from where: "-" where there is none.
    "sub": "$context.authorizer.claims.sub",
    "principal": "$context.identity.userArn",
    "sourceIp": "$context.identity.sourceIp",
    "errorType": "$context.error.responseType",
    "error": "$context.error.message",
}


@dataclass(frozen=True, kw_only=True)
class ApiResources:
    """What a `DirectApi` consists of.

    Attributes:
        rest_api: The API, with its routes, stage and deployment.
        roles: Of the direct integrations, by kind of caller (`authorisation.caller_of`); filled by `route`.
        access_log: One line of JSON for each request.
        execution_log: API Gateway's own log, errors only.
        alarms: Answers of 500 and more.
        web_acl: What bounds a single source; None where the stage has none.
    """

    rest_api: apigateway.RestApi
    roles: dict[str, iam.Role]
    access_log: logs.LogGroup
    execution_log: logs.LogGroup
    alarms: Sequence[cloudwatch.Alarm]
    web_acl: wafv2.CfnWebACL | None


class DirectApi(Construct):
    """A regional REST API whose routes call AWS services directly.

    Request validation is on for every route; a body of another type than application/json is 415; every error is an
    RFC 9457 problem; every answer carries X-Correlation-Id; access and execution logs have the stage's retention; a
    role for each kind of caller (public, services, each set of scopes) holds exactly the actions and resources that its
    routes use, so that a public route cannot be made to do what an operator's does. The URL is published as an SSM parameter. An alarm
    tells when more than one request in a hundred is answered 5xx in three minutes within fifteen; what a caller does
    wrong (4xx) is nobody's alarm. What writes without a token has a throttle of its own on every route, and a web ACL
    bounds each address, where the stage says so (`Stage.source_limit`). The access log has who called, by `sub` or IAM
    principal, and from which address.

    Args:
        scope: Construct inside a `ServiceStack`.
        construct_id: Its id there.
        description: What the API is for.
        cors: By default the stage's origins, none of which means no CORS.
        throttle: Of the whole API; by default the stage's.
        source_limit: Requests from one address in five minutes, at least 10; by default the stage's, and of no effect
            where that has none.
        user_pools: Whose tokens authorise `Scopes` routes; by default the platform's customers and operators. Which of them
            a route lets in is the scope's to say.
        published_as: Name of the SSM parameter with the URL.
        customize: Properties of the `rest_api`, of its `stage` (`StageOptions`), every `role`, the two logs, the
            `alarms` and the `web_acl` that the arguments leave open.

    Attributes:
        resources: API, roles, logs and alarms, as the CDK knows them.
        url: Where the API answers, without a slash at the end.

    Raises:
        TypeError: Outside a `ServiceStack`.
        ValueError: An unknown or enforced property is customized, or a source limit that WAF does not take.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        cors: Cors | None = None,
        throttle: Throttle | None = None,
        source_limit: int | None = None,
        user_pools: Sequence[cognito.IUserPool] = (),
        published_as: str = "api-url",
        customize: Customize | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._service_stack = ServiceStack.of(self)
        stage = self._service_stack.stage
        self._cors = cors or (Cors(origins=stage.cors_origins) if stage.cors_origins else None)
        self._user_pools = user_pools
        self._routes: dict[tuple[str, str], str] = {}
        self._statements: set[tuple[str, str]] = set()
        self._settings = MethodSettings(
            throttle or Throttle(rate=stage.throttle_rate, burst=stage.throttle_burst)
        )
        self._source_limit = source_limit or stage.source_limit if stage.source_limit else None
        if self._source_limit and self._source_limit < MIN_SOURCE_LIMIT:
            raise ValueError(f"source_limit must be at least {MIN_SOURCE_LIMIT}, got {self._source_limit}")
        resources = ("rest_api", "stage", "role", "access_log", "execution_log", "alarms", "web_acl")
        self._custom = Customization(customize, *resources)
        self.resources = self._build(description)
        self._rest_api = self.resources.rest_api
        self._models = RequestModels(self._rest_api)
        add_gateway_responses(self._rest_api, self._cors.gateway_headers() if self._cors else {})
        Aspects.of(self._rest_api.deployment_stage).add(self._settings)
        self.url = (
            f"https://{self._rest_api.rest_api_id}.execute-api.{self._service_stack.region}."
            f"{self._service_stack.url_suffix}/{STAGE_NAME}"
        )
        self._service_stack.export_parameter(published_as, self.url)
        check_at_synth(self, self._faults)

    def _build(self, description: str) -> ApiResources:
        custom, stack, stage = self._custom, self._service_stack, self._service_stack.stage
        log: dict[str, Any] = {"retention": stage.log_retention, "removal_policy": RemovalPolicy.DESTROY}
        access_log = logs.LogGroup(self, "AccessLog", **custom.of("access_log", enforced={}, **log))
        options = custom.of(
            "stage",
            enforced={
                "stage_name": STAGE_NAME,
                "data_trace_enabled": False,  # bodies can hold personal data
                "access_log_destination": apigateway.LogGroupLogDestination(access_log),
            },
            tracing_enabled=stage.tracing,
            metrics_enabled=True,
            logging_level=apigateway.MethodLoggingLevel.ERROR,
            access_log_format=apigateway.AccessLogFormat.custom(json.dumps(_ACCESS_LOG)),
        )
        properties = custom.of(
            "rest_api",
            enforced={
                "deploy": True,
                "deploy_options": apigateway.StageOptions(**options),
                "default_cors_preflight_options": self._cors.preflight() if self._cors else None,
                "cloud_watch_role": False,  # one per account and region, made by the platform
            },
            rest_api_name=f"commerce-{stage.name}-{stack.service}",
            description=description,
            endpoint_types=[apigateway.EndpointType.REGIONAL],
        )
        rest_api = apigateway.RestApi(self, "RestApi", **properties)
        self._validator = rest_api.add_request_validator(
            "Validator", validate_request_body=True, validate_request_parameters=True
        )
        # API Gateway would create this group itself, and keep it for ever.
        name = f"API-Gateway-Execution-Logs_{rest_api.rest_api_id}/{STAGE_NAME}"
        execution_log = logs.LogGroup(
            self, "ExecutionLog", **custom.of("execution_log", enforced={"log_group_name": name}, **log)
        )
        rest_api.deployment_stage.node.add_dependency(execution_log)
        return ApiResources(
            rest_api=rest_api,
            roles={},
            access_log=access_log,
            execution_log=execution_log,
            alarms=[self._alarm(rest_api, access_log, custom)],
            web_acl=self._web_acl(rest_api, custom),
        )

    def _web_acl(self, rest_api: apigateway.RestApi, custom: Customization) -> wafv2.CfnWebACL | None:
        if self._source_limit is None:
            Validations.of(rest_api.deployment_stage).acknowledge(
                Acknowledgment(id="AwsSolutions-APIG3", reason="The stage has no web ACLs (source_limit).")
            )
            return None
        return WebAcl(
            self,
            "WebAcl",
            api_stage=rest_api.deployment_stage,
            source_limit=self._source_limit,
            customization=custom,
        ).resource

    def _alarm(
        self, rest_api: apigateway.RestApi, access_log: logs.LogGroup, custom: Customization
    ) -> cloudwatch.Alarm:
        return alarm_above(
            self,
            "ServerErrorAlarm",
            # The average of zeros and ones, one for each request: the share that failed. Its dimensions are literal:
            # the rollout of a function that the API's routes call waits for this alarm, and the stage for the routes.
            metric=rest_api.metric_server_error(
                period=PERIOD,
                statistic="Average",
                dimensions_map={"ApiName": rest_api.rest_api_name, "Stage": STAGE_NAME},
            ),
            threshold=MAX_ERROR_RATE,
            lasting=REPEATED,
            means=f"{self._service_stack.service}: callers are answered 5xx; orders, carts or lists fail for them.",
            first="the access log has the routes and integrationStatus, the execution log API Gateway's own errors.",
            runbook="failing-api",
            query=saved(self, FAILED_REQUESTS, access_log),
            customized=custom.of("alarms", enforced={}),
        )

    # ---------------------------------------------------------------------------------------------------- routes
    def route(
        self,
        method: str,
        path: str,
        operation: Operation | InvokeFunction,
        *,
        auth: Authorisation,
        name: str | None = None,
        throttle: Throttle | None = None,
    ) -> apigateway.Method:
        """Add a route.

        Args:
            method: DELETE, GET, PATCH, POST or PUT.
            path: `/products/{sku}`.
            operation: What the route does.
            auth: Who may call it.
            name: Operation name in exported API descriptions.
            throttle: Of this route alone; by default the API's, but the stage's for public writes where the route
                writes without a token.

        Returns:
            The L2 method.

        Raises:
            RouteError: Names the route and what cannot work: a duplicate, a path parameter that is unused or unknown, a
                missing key attribute, a claim without `Scopes`, a model that cannot be expressed, a template too large.
        """
        try:
            self._check_route(method, path)
            for_function = isinstance(operation, InvokeFunction)
            options, contract = self._integration(operation, path, auth)
            added = self._rest_api.root.resource_for_path(path).add_method(
                method,
                request_validator=self._validator,
                request_models=self._models.of(operation.request, for_function=for_function),
                operation_name=name,
                **options,
                **method_options(auth, self._authorizer),
            )
        except (ModelError, RouteError, ValueError) as error:
            raise RouteError(f"{method} {path}: {error}") from error
        if contract:
            cast("apigateway.CfnMethod", added.node.default_child).add_metadata(METADATA, contract)
        acknowledge(added, auth)
        if throttle is None and isinstance(auth, Public) and method != "GET":
            rate = self._service_stack.stage.public_write_rate
            throttle = Throttle(rate=rate, burst=2 * rate)
        if throttle:
            self._settings.limit(method, path, throttle)
        return added

    def _check_route(self, method: str, path: str) -> None:
        if method not in METHODS:
            raise RouteError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        segments = path.split("/")
        if segments[0] or (path != "/" and not all(_SEGMENT.fullmatch(each) for each in segments[1:])):
            raise RouteError("a path is /words/{names} without a slash at the end")
        shape = re.sub(r"\{[^}]*\}", "{}", path)
        if (method, shape) in self._routes:
            raise RouteError(f"the route exists already, as {method} {self._routes[method, shape]}")
        self._routes[method, shape] = path

    def _integration(
        self, operation: Operation | InvokeFunction, path: str, auth: Authorisation
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The method's options, and what it promises beyond them; a function's router promises for itself."""
        if isinstance(operation, InvokeFunction):
            if isinstance(operation.function, ServiceFunction):
                operation.function.roll_back_on(*self.resources.alarms)
            return methods.of_function(operation, path), {}
        if isinstance(operation, StartWorkflow) and operation.rollout:
            operation.rollout.watch(*self.resources.alarms)
        integration = operation.integration()
        methods.check_parameters(integration, path, auth)
        for statement in integration.permissions:
            self._allow(caller_of(auth), statement)
        role = self._role(caller_of(auth))
        return methods.of_service(integration, role=role, cors=self._cors), integration.contract

    def _allow(self, caller: str, statement: iam.PolicyStatement) -> None:
        fingerprint = json.dumps(Stack.of(self).resolve(statement.to_statement_json()), sort_keys=True)
        if (caller, fingerprint) not in self._statements:
            self._statements.add((caller, fingerprint))
            self._role(caller).add_to_policy(statement)

    def _role(self, caller: str) -> iam.Role:
        if caller not in self.resources.roles:
            properties = self._custom.of(
                "role",
                enforced={"assumed_by": iam.ServicePrincipal("apigateway.amazonaws.com")},
                description=f"Calls AWS services for the API {self.node.path}, {caller} routes",
            )
            self.resources.roles[caller] = iam.Role(self, f"{caller}Role", **properties)
        return self.resources.roles[caller]

    def _authorizer(self) -> apigateway.IAuthorizer:
        existing = self.node.try_find_child("Authorizer")
        if existing is None:
            stack = self._service_stack
            pools = self._user_pools or (stack.user_pool, stack.operator_pool)
            return apigateway.CognitoUserPoolsAuthorizer(self, "Authorizer", cognito_user_pools=[*pools])
        return existing  # type: ignore[return-value]

    # ------------------------------------------------------------------------------------------------------ checks
    def _faults(self) -> list[str]:
        faults = [] if self._routes else ["a DirectApi needs at least one route"]
        paths = {
            path.rsplit("/", depth)[0] for path in self._routes.values() for depth in range(path.count("/"))
        }
        if len(paths) > MAX_RESOURCES:
            faults.append(f"the API has {len(paths)} resources, API Gateway allows {MAX_RESOURCES}; split it")
        for method in self._rest_api.methods:
            if method.http_method == "OPTIONS":
                reason = "A preflight carries no credentials, by the CORS protocol."
                acknowledge_all(method, dict.fromkeys(("AwsSolutions-APIG4", "AwsSolutions-COG4"), reason))
        return faults
