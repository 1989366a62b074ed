"""Fixtures for end-to-end tests: the running local cloud, reached through its public URLs as any client would.

A service's `tests/e2e/conftest.py` imports them:

    from service_testing.local_cloud import customer, local_cloud, operator  # noqa: F401 - fixtures

and marks its tests `pytest.mark.e2e`. They run on the local cloud that `make test` or `make up` brought up, found by
its endpoints file (environment variable `COMMERCE_ENDPOINTS`, else `.local/endpoints.json` of the workspace). Where there is
none they are skipped, and say so; where the variable names one that is not there they fail.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import pytest
import requests
from pyotp import TOTP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service_runtime.envelope import Event

T = TypeVar("T")

ENDPOINTS_VARIABLE = "COMMERCE_ENDPOINTS"
DEFAULT_ENDPOINTS = Path(".local") / "endpoints.json"


@dataclass(frozen=True)
class LocalCloud:
    """A running local cloud.

    Attributes:
        endpoints: What its endpoints file says.
    """

    endpoints: Mapping[str, Any]

    @classmethod
    def running(cls) -> LocalCloud:
        """The local cloud that the environment names.

        Raises:
            LookupError: The endpoints file that the variable names does not exist, or without a variable there is none
                in this folder or above it; says how to get one.
        """
        here = Path.cwd()
        given = os.environ.get(ENDPOINTS_VARIABLE)
        if given and not Path(given).exists():
            raise LookupError(f"no local cloud: {ENDPOINTS_VARIABLE} names {given}, which does not exist")
        candidates = [Path(given)] if given else [up / DEFAULT_ENDPOINTS for up in (here, *here.parents)]
        for candidate in candidates:
            if candidate.exists():
                return cls(json.loads(candidate.read_text()))
        raise LookupError(
            f"no local cloud: no {DEFAULT_ENDPOINTS} in {here} or above; start one with `make up` of the workspace, "
            f"or name the endpoints file of one that runs in {ENDPOINTS_VARIABLE}"
        )

    def request(
        self,
        method: str,
        service: str,
        path: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        query: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request to a service's public URL.

        Args:
            method: The verb.
            service: The service's name, `product`.
            path: The route, percent-encoded.
            token: An access token.
            headers: More headers.
            body: Sent as JSON.
            query: Query parameters.
        """
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.endpoints['services'][service]['apiUrl'].rstrip('/')}{path}"
        return requests.request(
            method, url, headers={**bearer, **(headers or {})}, json=body, params=query, timeout=30
        )

    def client(self, aws_service: str, *, of: str = "auth") -> Any:
        """A boto3 client of the local cloud, for what has no public URL: the event bus, the user pool.

        Args:
            aws_service: Of AWS.
            of: In whose account: of a service here, by default the one with the users.
        """
        home = self.endpoints["auth"] if of == "auth" else self.endpoints["services"][of]
        return boto3.client(
            aws_service,  # type: ignore[call-overload]  # any service
            endpoint_url=self.endpoints["endpointUrl"],
            region_name=self.endpoints["region"],
            aws_access_key_id=home["account"],
            aws_secret_access_key="local",  # noqa: S106 - the local cloud takes any
        )

    def publish(self, *events: Event[Any]) -> None:
        """Put events on the bus of their producers' accounts, as if those services had.

        Args:
            events: Any number; each under its own service's source.
        """
        by_source: dict[str, list[dict[str, str]]] = {}
        for event in events:
            entry = {
                "EventBusName": f"commerce-{self.endpoints['stage']}",
                "Source": event.source,
                "DetailType": event.detail_type,
                "Detail": json.dumps(event.detail()),
            }
            by_source.setdefault(event.source, []).append(entry)
        for source, entries in by_source.items():
            client = self.client("events", of=source.removeprefix("commerce."))
            for start in range(0, len(entries), 10):  # PutEvents takes ten at once
                answer = client.put_events(Entries=entries[start : start + 10])
                if answer["FailedEntryCount"]:
                    raise RuntimeError(f"the bus refused events: {answer['Entries']}")

    @cached_property
    def _cognito(self) -> Any:
        return self.client("cognito-idp")

    def token(self, *, group: str | None = None) -> str:
        """An access token of a new user.

        Args:
            group: `operators`, for one of them; a customer without it.
        """
        auth, prefix = self.endpoints["auth"], "operator" if group else "user"
        pool, client = auth[f"{prefix}PoolId"], auth["operatorClientId" if group else "clientId"]
        user, password = f"e2e-{secrets.token_hex(8)}", f"{secrets.token_urlsafe(24)}aA1!"
        self._cognito.admin_create_user(UserPoolId=pool, Username=user, MessageAction="SUPPRESS")
        self._cognito.admin_set_user_password(
            UserPoolId=pool, Username=user, Password=password, Permanent=True
        )
        answer = self._cognito.admin_initiate_auth(
            UserPoolId=pool,
            ClientId=client,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": user, "PASSWORD": password},
        )
        if answer.get("ChallengeName") == "MFA_SETUP":
            answer = self._cognito.admin_respond_to_auth_challenge(
                UserPoolId=pool,
                ClientId=client,
                ChallengeName="MFA_SETUP",
                ChallengeResponses={"USERNAME": user},
                Session=self._second_factor(answer["Session"]),
            )
        return str(answer["AuthenticationResult"]["AccessToken"])

    def _second_factor(self, session: str) -> str:
        device = self._cognito.associate_software_token(Session=session)
        code = TOTP(device["SecretCode"]).now()
        return str(self._cognito.verify_software_token(Session=device["Session"], UserCode=code)["Session"])


def eventually(read: Callable[[], T], until: Callable[[T], bool], *, seconds: float = 20) -> T:
    """Read until it is as it should be, since events take their time.

    Args:
        read: What to look at.
        until: Whether it is as it should be.
        seconds: How long it may take.

    Raises:
        AssertionError: It never was; shows the last that was read.
    """
    deadline = time.monotonic() + seconds
    while not until(seen := read()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s; last seen: {seen!r}")
        time.sleep(0.1)
    return seen


@pytest.fixture(scope="session")
def local_cloud() -> LocalCloud:
    """The running local cloud; without one its tests are skipped, unless the environment says where it should be."""
    try:
        return LocalCloud.running()
    except LookupError as error:
        if os.environ.get(ENDPOINTS_VARIABLE):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def operator(local_cloud: LocalCloud) -> str:
    """The access token of an operator."""
    return local_cloud.token(group="operators")


@pytest.fixture(scope="session")
def customer(local_cloud: LocalCloud) -> str:
    """The access token of a customer."""
    return local_cloud.token()
