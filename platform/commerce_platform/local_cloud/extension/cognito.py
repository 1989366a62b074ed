"""A user pool that requires a second factor asks for one of those who have none yet, and takes no sign-in without it.

Replaces, in `services/cognito.py`: `_generate_temp_password` (8403), whose twelve characters a policy of more refuses. Wraps, in `services/cognito.py`: `_mfa_challenge_for_user` (4361), which lets users without a second factor in where the
pool requires one; `_associate_software_token` (6292) and `_verify_software_token` (6303), which forget by whose session they
were called; and both answers to a challenge (4628, 4950), which take an unverified `MFA_SETUP` and give tokens
for a new password alone. AWS answers `MFA_SETUP`, and each session is good for the next step only:
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-mfa-totp.html
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import cognito

from commerce_platform.local_cloud.extension.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

GUARDS = (
    Guard("cognito._generate_temp_password", "2dd9263564ff"),
    Guard("cognito._mfa_challenge_for_user", "14b1bbda71fe"),
    Guard("cognito._associate_software_token", "266bef59f661"),
    Guard("cognito._verify_software_token", "dfdccbaa6151"),
    Guard("cognito._admin_respond_to_auth_challenge", "0ed094bdaeb9"),
    Guard("cognito._respond_to_auth_challenge", "9dae007b5620"),
)

SOFTWARE_TOKEN = "SOFTWARE_TOKEN_MFA"  # noqa: S105 - the name of a challenge

LONGEST = 99
"""What a policy may ask for at most, in characters."""

Json = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Setup:
    """Somebody who is setting up a second factor.

    Attributes:
        user: The user's record.
        secret: What was given to the user's device.
        is_verified: Whether the device has shown that it has it.
    """

    user: Json
    secret: str = ""
    is_verified: bool = False


_setups: dict[str, Setup] = {}


def apply() -> None:
    """Put the replacements in place."""
    generate = cognito._generate_temp_password
    cognito._generate_temp_password = lambda: generate() + secrets.token_hex(LONGEST // 2)
    cognito._mfa_challenge_for_user = _asking(cognito._mfa_challenge_for_user)
    cognito._associate_software_token = _associating(cognito._associate_software_token)
    cognito._verify_software_token = _verifying(cognito._verify_software_token)
    cognito._admin_respond_to_auth_challenge = _answering(cognito._admin_respond_to_auth_challenge)
    cognito._respond_to_auth_challenge = _answering(cognito._respond_to_auth_challenge)


def _asking(original: Callable[..., Json | None]) -> Callable[..., Json | None]:
    @wraps(original)
    def challenge(pool: Json, user: Json, pid: str, username: str) -> Json | None:
        is_required = pool.get("MfaConfiguration") == "ON"
        if not is_required or SOFTWARE_TOKEN in user.get("_mfa_enabled", ()):
            return original(pool, user, pid, username)
        return {
            "ChallengeName": "MFA_SETUP",
            "Session": _session(Setup(user)),
            "ChallengeParameters": {
                "USER_ID_FOR_SRP": username,
                "MFAS_CAN_SETUP": json.dumps([SOFTWARE_TOKEN]),
            },
        }

    return challenge


def _associating(original: Callable[[Json], Response]) -> Callable[[Json], Response]:
    @wraps(original)
    def associate(data: Json) -> Response:
        if data.get("AccessToken"):
            return original(data)
        if not (setup := _setups.pop(data.get("Session", ""), None)):
            return _no_session()
        answer = json.loads(original(data)[2])
        session = _session(replace(setup, secret=answer["SecretCode"]), answer["Session"])
        return _json(answer | {"Session": session})

    return associate


def _verifying(original: Callable[[Json], Response]) -> Callable[[Json], Response]:
    @wraps(original)
    def verify(data: Json) -> Response:
        setup = _setups.get(data.get("Session", ""))
        if not data.get("AccessToken") and not setup:
            return _no_session()
        status, headers, body = original(data)
        if not setup or status != 200:  # noqa: PLR2004 - HTTP
            return status, headers, body
        del _setups[data["Session"]]
        return _json(json.loads(body) | {"Session": _session(replace(setup, is_verified=True))})

    return verify


def _answering(original: Callable[[Json], Response]) -> Callable[[Json], Response]:
    @wraps(original)
    def respond(data: Json) -> Response:
        name = data.get("ChallengeName")
        if name == "MFA_SETUP":
            setup = _setups.pop(data.get("Session", ""), None)
            if not setup or not setup.is_verified:
                return _no_session()
            setup.user["_totp_secret"] = setup.secret
            cognito._apply_mfa_preference(setup.user, {"SoftwareTokenMfaSettings": {"Enabled": True}})
        answer = original(data)
        if name == "NEW_PASSWORD_REQUIRED" and answer[0] == 200:  # noqa: PLR2004 - HTTP
            return _second_factor(data) or answer
        return answer

    return respond


def _second_factor(data: Json) -> Response | None:
    """What follows a new password where a second factor is due."""
    pool, pid = cognito._pool_for_client(data.get("ClientId"))
    username = data.get("ChallengeResponses", {}).get("USERNAME")
    user, _ = cognito._resolve_user(pool, username)
    challenge = cognito._mfa_challenge_for_user(pool, user, pid, username)
    return _json(challenge) if challenge else None


def _session(setup: Setup, session: str = "") -> str:
    session = session or secrets.token_urlsafe(32)
    _setups[session] = setup
    return session


def _no_session() -> Response:
    answer: Response = error_response_json(
        "NotAuthorizedException", "Invalid session for the user, session is expired.", 400
    )
    return answer


def _json(body: Json) -> Response:
    answer: Response = json_response(body)
    return answer
