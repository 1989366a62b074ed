"""Who may do what: the user pool, its scopes and the trigger that grants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Duration, Validations
from aws_cdk.aws_cognito import (
    AccountRecovery,
    AuthFlow,
    AutoVerifiedAttrs,
    FeaturePlan,
    KeepOriginalAttrs,
    LambdaVersion,
    Mfa,
    MfaSecondFactor,
    OAuthFlows,
    OAuthScope,
    OAuthSettings,
    PasswordPolicy,
    ResourceServerScope,
    SignInAliases,
    StandardAttribute,
    StandardAttributes,
    UserPool,
    UserPoolClient,
    UserPoolOperation,
)
from constructs import Construct
from shared_constructs import NO_DEPENDENCIES, ServiceFunction, ServiceStack

from commerce_platform.account.identity.runtime.scopes import OPERATE, OPERATORS, SHOP

if TYPE_CHECKING:
    from shared_constructs import Stage


class Identity(Construct):
    """Customers and operators of one stage, and the client that signs them in.

    The client is public (no secret) and may request `openid` only; the scopes of the APIs are granted by the
    trigger, from the groups of whoever signs in. Changing access tokens needs the Essentials plan.

    Attributes:
        pool: The user pool.
        client: The app client.
        trigger: The function that decides the scopes.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        self.trigger = ServiceFunction(
            self,
            "Scopes",
            package="commerce_platform",
            include=("account/identity/runtime",),
            handler="commerce_platform.account.identity.runtime.handler.customize_access_token",
            description="Decides the scopes of access tokens",
            timeout=Duration.seconds(5),  # Cognito waits no longer
            memory_mb=256,
            dependencies=NO_DEPENDENCIES,  # every sign-in waits for it
        )
        self.pool = _pool(self, stack.stage)
        self.pool.add_trigger(
            UserPoolOperation.PRE_TOKEN_GENERATION_CONFIG,
            self.trigger.resources.function,
            LambdaVersion.V2_0,
        )
        self.pool.add_resource_server(
            "Commerce",
            identifier=SHOP.partition("/")[0],
            scopes=[
                _scope(SHOP, "Fill one's own cart, place and follow one's own orders"),
                _scope(OPERATE, "Run the shop: catalogue, stock, every order"),
            ],
        )
        self.pool.add_group(
            "Operators", group_name=OPERATORS, description="Staff who run the shop; earns commerce/operate"
        )
        self.client = _client(self.pool, stack.stage)
        stack.export_parameter("user-pool-arn", self.pool.user_pool_arn)
        stack.export_parameter("user-pool-id", self.pool.user_pool_id)
        stack.export_parameter("user-pool-client-id", self.client.user_pool_client_id)


def _pool(scope: Construct, stage: Stage) -> UserPool:
    pool = UserPool(
        scope,
        "Users",
        feature_plan=FeaturePlan.ESSENTIALS,
        self_sign_up_enabled=True,
        sign_in_aliases=SignInAliases(username=True, email=True),
        sign_in_case_sensitive=False,
        standard_attributes=StandardAttributes(email=StandardAttribute(required=True, mutable=True)),
        auto_verify=AutoVerifiedAttrs(email=True),
        keep_original=KeepOriginalAttrs(email=True),  # a new address counts once it is verified
        account_recovery=AccountRecovery.EMAIL_ONLY,
        password_policy=PasswordPolicy(
            min_length=12,
            require_lowercase=True,
            require_uppercase=True,
            require_digits=True,
            require_symbols=True,
            temp_password_validity=Duration.days(3),
        ),
        mfa=Mfa[stage.mfa],
        mfa_second_factor=None if stage.mfa == "OFF" else MfaSecondFactor(sms=False, otp=True),
        deletion_protection=stage.deletion_protection,
        removal_policy=stage.removal_policy,
    )
    Validations.of(pool).acknowledge(
        Acknowledgment(
            id="AwsSolutions-COG2",
            reason="A shop must not force a second factor on customers; stages other than local and dev offer it.",
        ),
        Acknowledgment(
            id="AwsSolutions-COG3",
            reason="Threat protection needs the Plus plan; APIs are throttled and tokens live for one hour.",
        ),
        Acknowledgment(
            id="AwsSolutions-COG8",
            reason="The Essentials plan has everything used here; Plus is worth its price once fraud is seen.",
        ),
    )
    return pool


def _scope(scope: str, description: str) -> ResourceServerScope:
    return ResourceServerScope(scope_name=scope.partition("/")[2], scope_description=description)


def _client(pool: UserPool, stage: Stage) -> UserPoolClient:
    return pool.add_client(
        "Shop",
        generate_secret=False,
        # Passwords never travel from the public; the admin flow needs credentials of the account (make token).
        auth_flows=AuthFlow(admin_user_password=True, user_srp=True),
        disable_o_auth=not stage.sign_in_urls,
        o_auth=OAuthSettings(
            flows=OAuthFlows(authorization_code_grant=True),
            scopes=[OAuthScope.OPENID],
            callback_urls=list(stage.sign_in_urls),
        )
        if stage.sign_in_urls
        else None,
        prevent_user_existence_errors=True,
        enable_token_revocation=True,
        access_token_validity=Duration.hours(1),
        id_token_validity=Duration.hours(1),
        refresh_token_validity=Duration.days(30),
    )
