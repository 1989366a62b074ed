"""Requests to the platform's own public APIs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import requests

from commerce_platform.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS = 30.0
THROTTLED = (429, 503)
ATTEMPTS = 5


class Api:
    """One service's API as a client sees it.

    Args:
        url: Its base URL, without a trailing slash.
        token: An access token, for routes that want one.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url
        self._session = requests.Session()
        # Neither a proxy nor a ~/.netrc has a say in requests to the local cloud.
        self._session.trust_env = False
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a request, again where the API says that it is throttled."""
        url = f"{self._url}{path}"
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._session.request(method, url, json=body, headers=headers, timeout=TIMEOUT_SECONDS)
            if answer.status_code not in THROTTLED or attempt == ATTEMPTS:
                break
            time.sleep(float(answer.headers.get("Retry-After", 1)))
        return answer

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that is expected to succeed.

        Raises:
            CliError: It did not; carries the answer.
        """
        answer = self.send(method, path, body)
        if not answer.ok:
            raise CliError(f"{method} {self._url}{path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None
