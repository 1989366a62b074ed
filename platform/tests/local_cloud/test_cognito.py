"""A pool that requires a second factor lets nobody in without one, as on AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from botocore.exceptions import ClientError
from ministack.services.cognito import _totp_code

if TYPE_CHECKING:
    from conftest import Cloud

PASSWORD = "Correct-horse-1"


class Pool(NamedTuple):
    cognito: Any
    id: str
    client: str

    def invite(self, user: str, *, password: str | None = PASSWORD, **given: str) -> None:
        self.cognito.admin_create_user(UserPoolId=self.id, Username=user, **given)
        if password:
            self.cognito.admin_set_user_password(
                UserPoolId=self.id, Username=user, Password=password, Permanent=True
            )

    def sign_in(self, user: str, password: str = PASSWORD) -> Any:
        return self.cognito.admin_initiate_auth(
            UserPoolId=self.id,
            ClientId=self.client,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": user, "PASSWORD": password},
        )

    def answer(self, challenge: str, session: str, **responses: str) -> Any:
        return self.cognito.admin_respond_to_auth_challenge(
            UserPoolId=self.id,
            ClientId=self.client,
            ChallengeName=challenge,
            ChallengeResponses=responses,
            Session=session,
        )

    def enrol(self, session: str) -> tuple[str, str]:
        """Set an authenticator up: its secret, and the session that goes on."""
        device = self.cognito.associate_software_token(Session=session)
        verified = self.cognito.verify_software_token(
            Session=device["Session"], UserCode=_totp_code(device["SecretCode"])
        )
        return device["SecretCode"], verified["Session"]


@pytest.fixture
def pool(cloud: Cloud) -> Pool:
    outputs = cloud.deploy(
        {
            "Pool": {
                "Type": "AWS::Cognito::UserPool",
                "Properties": {
                    "MfaConfiguration": "ON",
                    "EnabledMfas": ["SOFTWARE_TOKEN_MFA"],
                    "Policies": {"PasswordPolicy": {"MinimumLength": 14}},
                },
            },
            "Client": {
                "Type": "AWS::Cognito::UserPoolClient",
                "Properties": {
                    "UserPoolId": {"Ref": "Pool"},
                    "ExplicitAuthFlows": ["ALLOW_ADMIN_USER_PASSWORD_AUTH"],
                },
            },
        },
        Outputs={"Pool": {"Value": {"Ref": "Pool"}}, "Client": {"Value": {"Ref": "Client"}}},
    )
    return Pool(cloud.client("cognito-idp"), outputs["Pool"], outputs["Client"])


def test_the_first_sign_in_sets_a_second_factor_up_and_every_other_one_asks_for_it(pool):
    pool.invite("ada")
    first = pool.sign_in("ada")
    assert first["ChallengeName"] == "MFA_SETUP"
    secret, session = pool.enrol(first["Session"])
    assert pool.answer("MFA_SETUP", session, USERNAME="ada")["AuthenticationResult"]["AccessToken"]
    again = pool.sign_in("ada")
    assert again["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    code = {"USERNAME": "ada", "SOFTWARE_TOKEN_MFA_CODE": _totp_code(secret)}
    assert pool.answer("SOFTWARE_TOKEN_MFA", again["Session"], **code)["AuthenticationResult"]


def test_a_password_alone_is_never_enough(pool):
    pool.invite("ada")
    session = pool.sign_in("ada")["Session"]
    with pytest.raises(ClientError, match="NotAuthorizedException"):
        pool.answer("MFA_SETUP", session, USERNAME="ada")
    with pytest.raises(ClientError, match="NotAuthorizedException"):
        pool.cognito.associate_software_token(Session="a session of nobody at all")


def test_a_device_that_was_not_verified_is_no_second_factor(pool):
    pool.invite("ada")
    device = pool.cognito.associate_software_token(Session=pool.sign_in("ada")["Session"])
    with pytest.raises(ClientError, match="EnableSoftwareTokenMFAException"):
        pool.cognito.verify_software_token(Session=device["Session"], UserCode="000000")
    with pytest.raises(ClientError, match="NotAuthorizedException"):
        pool.answer("MFA_SETUP", device["Session"], USERNAME="ada")


def test_who_was_invited_needs_a_second_factor_after_the_new_password(pool):
    pool.invite("ada", password=None, TemporaryPassword="Temporary-Pw-1!")
    invited = pool.sign_in("ada", "Temporary-Pw-1!")
    assert invited["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    due = pool.answer("NEW_PASSWORD_REQUIRED", invited["Session"], USERNAME="ada", NEW_PASSWORD=PASSWORD)
    assert due["ChallengeName"] == "MFA_SETUP"
    _, session = pool.enrol(due["Session"])
    assert pool.answer("MFA_SETUP", session, USERNAME="ada")["AuthenticationResult"]
