"""The cloud that stage `local` is deployed to: ours, or any AWS-compatible one that AWS_ENDPOINT_URL names."""

from __future__ import annotations

import json
import os
import re
import uuid
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from commerce_platform.cli.errors import CliError
from commerce_platform.cli.process import tool_environment
from commerce_platform.cli.workspace import LOCAL, PLATFORM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient
    from service_topology import Place

    from commerce_platform.cli.workspace import Workspace

ACCOUNT = "111111111111"
"""A 12-digit access key id selects the emulator's account of that number."""

REGION = "eu-west-1"

IDENTITY = f"/commerce/{LOCAL}/cloud/identity/v1"
"""A parameter that we write into a cloud we find without it. A restarted or reset cloud has lost it, and with it
everything that was deployed."""

ENDPOINT = re.compile(r"https?://[^/\s]+/?")
"""A URL that AWS's tools take for an endpoint."""

PUBLIC_API_URL = re.compile(r"https://(?P<id>[^./]+)\.execute-api\.[^/]+/(?P<stage>[^/]+)/?$")


FAILED = re.compile(r"FAILED|ROLLBACK")
"""In the status of a stack whose last deployment did not succeed."""


@dataclass(frozen=True)
class Stack:
    """A stack as CloudFormation has it.

    Attributes:
        name: Its name.
        status: Its status.
        version: What is another after every deployment.
    """

    name: str
    status: str
    version: str

    @property
    def failed(self) -> bool:
        """Whether its last deployment did not succeed."""
        return bool(FAILED.search(self.status))


@dataclass(frozen=True)
class Cloud:
    """An AWS-compatible endpoint and the credentials for it.

    Attributes:
        endpoint: The URL that every AWS API answers on; None for AWS itself.
        ours: Whether we started it; the user's own is used with the user's credentials, where there are any.
        place: Where in it; on an emulator a 12-digit access key id selects the account of that number. Default: where the
            credentials lead.
    """

    endpoint: str | None
    ours: bool
    place: tuple[str | None, str | None] = (None, None)

    @classmethod
    def given(cls) -> Cloud | None:
        """The cloud that the user has named in AWS_ENDPOINT_URL.

        Raises:
            CliError: That is no URL.
        """
        endpoint = os.environ.get("AWS_ENDPOINT_URL")
        if endpoint and not ENDPOINT.fullmatch(endpoint):
            raise CliError(
                f"AWS_ENDPOINT_URL is no URL: {endpoint!r}.",
                "It looks like http://127.0.0.1:4566; for a cloud of make's own: unset AWS_ENDPOINT_URL",
            )
        return cls(endpoint.rstrip("/"), ours=False) if endpoint else None

    @classmethod
    def of_the_caller(cls) -> Cloud:
        """AWS, with whatever credentials and region the caller's environment and configuration give."""
        return cls(None, ours=False)

    def at(self, place: Place) -> Cloud:
        """The same cloud in one of its accounts."""
        return replace(self, place=(place.account, place.region))

    @cached_property
    def credentials(self) -> dict[str, str]:
        """Credentials and region as the AWS tools read them from the environment."""
        mine = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": LOCAL, "AWS_REGION": REGION}
        found = mine if self.ours else {name: os.environ.get(name, value) for name, value in mine.items()}
        account, region = self.place
        chosen = {"AWS_ACCESS_KEY_ID": account, "AWS_REGION": region}
        return found | {name: value for name, value in chosen.items() if value}

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment of a tool that is to talk to this cloud and to no other."""
        elsewhere = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE")
        kept = {k: v for k, v in tool_environment().items() if not (self.ours and k in elsewhere)}
        return {
            **kept,
            **self.credentials,
            "AWS_DEFAULT_REGION": self.region,
            **({"AWS_ENDPOINT_URL": self.endpoint} if self.endpoint else {}),
        }

    @property
    def region(self) -> str:
        """The region that is looked at."""
        return self.credentials["AWS_REGION"]

    @cached_property
    def account(self) -> str:
        """The account that the credentials belong to."""
        return self.place[0] or (ACCOUNT if self.ours else self.caller()[0])

    def caller(self) -> tuple[str, str]:
        """Account and ARN of whoever the credentials are of, as AWS says."""
        identity = self._client("sts").get_caller_identity()
        return str(identity["Account"]), str(identity["Arn"])

    def _client(self, service: str) -> Any:
        import boto3  # noqa: PLC0415 - 0.2 s that most verbs need not wait for
        from botocore.config import Config  # noqa: PLC0415

        if not self.endpoint:
            return boto3.client(service, region_name=os.environ.get("AWS_REGION"))  # type: ignore[call-overload]
        session = boto3.Session(
            aws_access_key_id=self.credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.credentials["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=None if self.ours else os.environ.get("AWS_SESSION_TOKEN"),
            region_name=self.region,
        )
        # boto3 would send a request for loopback through HTTP_PROXY.
        config = Config(proxies={}, connect_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
        return session.client(service, endpoint_url=self.endpoint, config=config)  # type: ignore[call-overload]

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        """What is deployed."""
        client: CloudFormationClient = self._client("cloudformation")
        return client

    @cached_property
    def functions(self) -> Any:
        """What handles."""
        return self._client("lambda")

    @cached_property
    def ssm(self) -> SSMClient:
        """What the stacks publish."""
        client: SSMClient = self._client("ssm")
        return client

    @cached_property
    def cognito(self) -> CognitoIdentityProviderClient:
        """Who may call."""
        client: CognitoIdentityProviderClient = self._client("cognito-idp")
        return client

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """What the functions say."""
        client: CloudWatchLogsClient = self._client("logs")
        return client

    @cached_property
    def events(self) -> EventBridgeClient:
        """What was published."""
        client: EventBridgeClient = self._client("events")
        return client

    @cached_property
    def stepfunctions(self) -> SFNClient:
        """Which workflows ran."""
        client: SFNClient = self._client("stepfunctions")
        return client

    def identity(self) -> str:
        """What tells this cloud from the one that was here before it."""
        try:
            return self.ssm.get_parameter(Name=IDENTITY)["Parameter"]["Value"]
        except self.ssm.exceptions.ParameterNotFound:
            identity = uuid.uuid4().hex
            self.ssm.put_parameter(Name=IDENTITY, Value=identity, Type="String")
            return identity

    def is_bootstrapped(self) -> bool:
        """Whether the CDK's own stack (asset bucket, deployment roles) stands."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            stacks = self.cloudformation.describe_stacks(StackName="CDKToolkit")["Stacks"]
        except ClientError:
            return False
        return any(stack["StackStatus"].endswith("_COMPLETE") for stack in stacks)

    def parameters(self, stage: str = LOCAL) -> dict[tuple[str, str], str]:
        """What the stacks of a stage publish for discovery: `{("product", "api-url"): "https://…"}`."""
        pages = self.ssm.get_paginator("get_parameters_by_path").paginate(
            Path=f"/commerce/{stage}/", Recursive=True
        )
        found: dict[tuple[str, str], str] = {}
        for page in pages:
            for parameter in page["Parameters"]:
                _, _, _, service, name, _version = parameter["Name"].split("/")
                found[service, name] = parameter["Value"]
        return found

    def values(self, names: Iterable[str]) -> dict[str, str]:
        """Values of SSM parameters, those that there are, by name."""
        wanted = sorted(names)
        found: dict[str, str] = {}
        # GetParameters takes ten names: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
        for first in range(0, len(wanted), 10):
            answer = self.ssm.get_parameters(Names=wanted[first : first + 10])
            found |= {each["Name"]: each["Value"] for each in answer["Parameters"]}
        return found

    def stacks(self, prefix: str) -> list[Stack]:
        """The stacks of an app that there are in this account.

        Args:
            prefix: `App.stack_prefix`; a stateful stack has `-data` after it.
        """
        return [
            Stack(
                each["StackName"],
                each["StackStatus"],
                f"{each['StackId']} {each.get('LastUpdatedTime', each['CreationTime']).isoformat()}",
            )
            for page in self.cloudformation.get_paginator("describe_stacks").paginate()
            for each in page["Stacks"]
            if each["StackName"] in (prefix, f"{prefix}-data") and each["StackStatus"] != "DELETE_COMPLETE"
        ]

    def reachable(self, api_url: str) -> str:
        """An API's URL as a plain `curl` reaches it, without a trailing slash.

        An API Gateway host name resolves on AWS alone; emulators answer for it under a path of their own.
        """
        match = PUBLIC_API_URL.match(api_url)
        if not match:
            return api_url.rstrip("/")
        return f"{self.endpoint}/_aws/execute-api/{match['id']}/{match['stage']}"

    def failure(self, stack_prefix: str) -> list[str]:
        """Which resources of an app's stacks failed, and why; the causes, not what was cancelled on their account."""
        causes = []
        for page in self.cloudformation.get_paginator("describe_stacks").paginate():
            for stack in page["Stacks"]:
                name = stack["StackName"]
                if name not in (stack_prefix, f"{stack_prefix}-data"):
                    continue
                events = self.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
                causes += [
                    f"{name}: {event.get('LogicalResourceId')} ({event.get('ResourceType')}): "
                    f"{event.get('ResourceStatusReason', 'no reason given')}"
                    for event in reversed(events)
                    if event.get("ResourceStatus", "").endswith("_FAILED")
                    and "cancelled" not in event.get("ResourceStatusReason", "").lower()
                    and event.get("ResourceType") != "AWS::CloudFormation::Stack"
                ]
        return causes


def accounts(workspace: Workspace, cloud: Cloud) -> Iterator[Cloud]:
    """The cloud in each account that stage `local` has, the platform's own first."""
    return (cloud.at(place) for place in workspace.places(LOCAL))


def endpoints(workspace: Workspace, cloud: Cloud) -> dict[str, Any]:
    """Where everything is, as `.local/endpoints.json` has it."""
    own, *others = accounts(workspace, cloud)
    published = own.parameters()
    services = {
        service: {"account": here.account, "region": here.region, "apiUrl": here.reachable(value)}
        for here, parameters in ((own, published), *((other, other.parameters()) for other in others))
        for (service, name), value in parameters.items()
        if name == "api-url"
    }
    return {
        "stage": LOCAL,
        "endpointUrl": cloud.endpoint,
        "region": own.region,
        "services": dict(sorted(services.items())),
        "auth": {
            "account": own.account,
            "userPoolId": published.get((PLATFORM, "user-pool-id"), ""),
            "clientId": published.get((PLATFORM, "user-pool-client-id"), ""),
            "operatorPoolId": published.get((PLATFORM, "operator-pool-id"), ""),
            "operatorClientId": published.get((PLATFORM, "operator-pool-client-id"), ""),
        },
    }


def write_endpoints(workspace: Workspace, cloud: Cloud, site: str = "") -> dict[str, Any]:
    """Write the endpoints file, whole or not at all.

    Args:
        workspace: Whose file it is.
        cloud: Where everything is.
        site: Where the documentation site is served beside it; empty if it is not.
    """
    found = endpoints(workspace, cloud) | ({"siteUrl": site} if site else {})
    workspace.local.mkdir(parents=True, exist_ok=True)
    whole = workspace.endpoints_file.with_suffix(".tmp")
    whole.write_text(json.dumps(found, indent=2) + "\n")
    whole.replace(workspace.endpoints_file)
    return found
