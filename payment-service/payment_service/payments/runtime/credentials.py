"""The provider's credentials, from Secrets Manager: cached, and rotated without a deployment.

The secret is JSON: `{"apiKey": "…", "webhookSecret": "…", "previousWebhookSecret"?: "…"}`.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MAX_AGE_SECONDS: Final = 300


class Credentials:
    """The current credentials; a rotated secret is seen within `MAX_AGE_SECONDS`, or at once when one is refused.

    Args:
        secret_id: Name or ARN.
        client: A Secrets Manager client.
    """

    def __init__(self, secret_id: str, *, client: SecretsManagerClient) -> None:
        self._secret_id = secret_id
        self._client = client
        self._kept: dict[str, Any] = {}
        self._kept_until = 0.0

    def api_key(self, *, fresh: bool = False) -> str:
        """Return the provider's key.

        Args:
            fresh: Whether to ask Secrets Manager again, because the cached key was refused.
        """
        return str(self._secret(fresh=fresh)["apiKey"])

    def webhook_secrets(self) -> list[str]:
        """Return the secrets that a webhook may be signed with: the current one and, while it rotates, the previous."""
        secret = self._secret(fresh=False)
        return [secret[name] for name in ("webhookSecret", "previousWebhookSecret") if secret.get(name)]

    def _secret(self, *, fresh: bool) -> dict[str, Any]:
        # Not Powertools' parameters: they load boto3 and every other store of parameters, half of a cold start.
        if fresh or time.monotonic() >= self._kept_until:
            self._kept = json.loads(self._client.get_secret_value(SecretId=self._secret_id)["SecretString"])
            self._kept_until = time.monotonic() + MAX_AGE_SECONDS
        return self._kept
