"""The provider's credentials, from Secrets Manager: cached, and rotated without a deployment.

The secret is JSON: `{"apiKey": "…", "webhookSecret": "…", "previousWebhookSecret"?: "…"}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.parameters import SecretsProvider

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
        self._provider = SecretsProvider(boto3_client=client)

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
        secret: Any = self._provider.get(
            self._secret_id, max_age=MAX_AGE_SECONDS, transform="json", force_fetch=fresh
        )
        return dict(secret)
