"""Who may do what: the customers' and the operators' user pools, their scopes and the triggers that grant them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import Acknowledgment, Aws, Duration, Validations
from aws_cdk.aws_cognito import (
    AccountRecovery,
    AuthFlow,
    AutoVerifiedAttrs,
    CfnUserPool,
    CfnUserPoolDomain,
    ClientAttributes,
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
from shared_constructs.validation import check_at_synth

from commerce_platform.account.identity.runtime.scopes import OPERATE, SHOP
from commerce_platform.settings import PlatformSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared_constructs import Stage

HANDLERS = "commerce_platform.account.identity.runtime.handler"
"""Where the triggers are."""

EMAIL = StandardAttributes(email=StandardAttribute(required=True, mutable=True))
"""The one attribute that there is of anybody."""

CUSTOMERS_PASSWORD: dict[str, Any] = {"min_length": 12, "temp_password_validity": Duration.days(3)}
"""What a customer's password must have beside each kind of character."""

OPERATORS_PASSWORD: dict[str, Any] = {
    "min_length": 16,
    "password_history_size": 5,
    "temp_password_validity": Duration.days(1),
}
"""An operator's, likewise."""


class Identity(Construct):
    """Customers and operators of one stage, each with a pool and a client of their own.

    Customers sign up by themselves, and may add a second factor where the stage offers it. Operators are invited by an
    administrator and need one, by an authenticator app, in every stage: whoever takes over a customer's account, or the way
    to become a customer, is no step nearer to running the shop.

    The clients are public (no secret), may request `openid` only, and read and write an e-mail address and nothing else;
    the scopes of the APIs are granted by the pool's trigger. Passwords never travel: sign-in is SRP, or the pool's own page
    where the stage has somewhere to return to. Only where tools sign in (`PlatformSettings.tools_sign_in`) may somebody
    with credentials of the account sign users in by password. Changing access tokens needs the Essentials plan.

    Args:
        scope: The platform's stateful stack.
        construct_id: Its id there.

    Attributes:
        pool: The customers.
        client: Their app client.
        trigger: The function that decides their scopes.
        operators: The operators' part.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        stack, settings = ServiceStack.of(self), PlatformSettings.of(self)
        self.trigger = _trigger(self, "customize_customers_token", "Decides the scopes of customers' tokens")
        self.pool = _customers(self, stack.stage)
        _complete(self.pool, self.trigger, SHOP, "Fill one's own cart, place and follow one's own orders")
        self.client = _client(
            self.pool,
            "Shop",
            urls=stack.stage.sign_in_urls,
            refresh_token_validity=Duration.days(30),
        )
        if stack.stage.sign_in_urls and settings.sign_in_domain:
            _sign_in_page(self.pool, settings.sign_in_domain, settings.sign_in_certificate_arn)
        stack.export_parameter("user-pool-arn", self.pool.user_pool_arn)
        stack.export_parameter("user-pool-id", self.pool.user_pool_id)
        stack.export_parameter("user-pool-client-id", self.client.user_pool_client_id)
        self.operators = Operators(self, "Operators")
        check_at_synth(self, self._faults)

    def _faults(self) -> list[str]:
        stack, settings = ServiceStack.of(self), PlatformSettings.of(self)
        stage = stack.stage.name.value
        where = f"of context.stages.{stage} in the platform's cdk.json"
        account = f"account {stack.place.account}" if stack.place.account else "the platform's account"
        faults = []
        if not settings.mail_sender and not settings.cognito_mail:
            faults.append(
                f"{stage} needs a mail sender, because Cognito's own sends 50 mails a day: set mail_sender {where} to "
                f"an address of a domain that SES has verified in {account}"
            )
        if settings.has_example_sender and stack.place.account and not settings.cognito_mail:
            faults.append(
                f"{stage} needs a mail sender, {settings.mail_sender!r} is an example: set mail_sender {where} to "
                f"an address of a domain that SES has verified in {account}"
            )
        if stack.stage.sign_in_urls and not settings.sign_in_domain:
            faults.append(
                f"{stage} has sign_in_urls and no page that returns to them: set sign_in_domain {where} to a prefix, "
                f"or to a host name of your own with sign_in_certificate_arn"
            )
        return faults


class Operators(Construct):
    """Staff who run the shop: a pool that nobody enters uninvited, with a second factor.

    Args:
        scope: The identity.
        construct_id: Its id there.

    Attributes:
        pool: The user pool.
        client: The app client.
        trigger: The function that decides the scopes.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        stack, settings = ServiceStack.of(self), PlatformSettings.of(self)
        self.trigger = _trigger(self, "customize_operators_token", "Decides the scopes of operators' tokens")
        self.pool = _operators(self, stack.stage)
        _complete(self.pool, self.trigger, OPERATE, "Run the shop: catalogue, stock, every order")
        self.client = _client(
            self.pool,
            "BackOffice",
            urls=settings.operator_sign_in_urls,
            refresh_token_validity=Duration.hours(12),  # a shift
        )
        if settings.operator_sign_in_domain:
            _sign_in_page(
                self.pool, settings.operator_sign_in_domain, settings.operator_sign_in_certificate_arn
            )
        stack.export_parameter("operator-pool-arn", self.pool.user_pool_arn)
        stack.export_parameter("operator-pool-id", self.pool.user_pool_id)
        stack.export_parameter("operator-pool-client-id", self.client.user_pool_client_id)


def _trigger(scope: Construct, handler: str, description: str) -> ServiceFunction:
    return ServiceFunction(
        scope,
        "Scopes",
        package="commerce_platform",
        include=("account/identity/runtime",),
        handler=f"{HANDLERS}.{handler}",
        description=description,
        timeout=Duration.seconds(5),  # Cognito waits no longer
        memory_mb=256,
        dependencies=NO_DEPENDENCIES,  # every sign-in waits for it
    )


def _customers(scope: Construct, stage: Stage) -> UserPool:
    pool = UserPool(
        scope,
        "Users",
        **_common(stage, CUSTOMERS_PASSWORD),
        self_sign_up_enabled=True,
        sign_in_aliases=SignInAliases(username=True, email=True),
        keep_original=KeepOriginalAttrs(email=True),  # a new address counts once it is verified
        mfa=Mfa[stage.mfa],
        mfa_second_factor=None if stage.mfa == "OFF" else MfaSecondFactor(sms=False, otp=True),
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


def _operators(scope: Construct, stage: Stage) -> UserPool:
    pool = UserPool(
        scope,
        "Users",
        **_common(stage, OPERATORS_PASSWORD),
        self_sign_up_enabled=False,
        sign_in_aliases=SignInAliases(username=True),
        mfa=Mfa.REQUIRED,
        mfa_second_factor=MfaSecondFactor(sms=False, otp=True),
    )
    Validations.of(pool).acknowledge(
        Acknowledgment(
            id="AwsSolutions-COG3",
            reason="Threat protection needs the Plus plan; operators are few, invited, and have a second factor.",
        ),
        Acknowledgment(
            id="AwsSolutions-COG8",
            reason="The Essentials plan has everything used here, the second factor and password history included.",
        ),
    )
    return pool


def _common(stage: Stage, password: dict[str, Any]) -> dict[str, Any]:
    return {
        "feature_plan": FeaturePlan.ESSENTIALS,
        "sign_in_case_sensitive": False,
        "standard_attributes": EMAIL,
        "auto_verify": AutoVerifiedAttrs(email=True),
        "account_recovery": AccountRecovery.EMAIL_ONLY,
        "password_policy": PasswordPolicy(
            require_lowercase=True,
            require_uppercase=True,
            require_digits=True,
            require_symbols=True,
            **password,
        ),
        "deletion_protection": stage.deletion_protection,
        "removal_policy": stage.removal_policy,
    }


def _complete(pool: UserPool, trigger: ServiceFunction, scope: str, description: str) -> None:
    """Give a pool its trigger, its scope and whoever sends its mails."""
    pool.add_trigger(
        UserPoolOperation.PRE_TOKEN_GENERATION_CONFIG, trigger.resources.alias, LambdaVersion.V2_0
    )
    server, _, name = scope.partition("/")
    pool.add_resource_server(
        "Commerce",
        identifier=server,
        scopes=[ResourceServerScope(scope_name=name, scope_description=description)],
    )
    settings, bare = PlatformSettings.of(pool), pool.node.default_child
    if settings.mail_sender and isinstance(bare, CfnUserPool):
        # `UserPoolEmail.with_ses` must be told the region, which a stack that may go anywhere does not know.
        bare.email_configuration = CfnUserPool.EmailConfigurationProperty(
            email_sending_account="DEVELOPER",
            from_=settings.mail_sender,
            source_arn=f"arn:{Aws.PARTITION}:ses:{Aws.REGION}:{Aws.ACCOUNT_ID}:identity/"
            f"{settings.mail_identity or settings.sender_domain}",
        )


def _client(
    pool: UserPool, name: str, *, urls: Sequence[str], refresh_token_validity: Duration
) -> UserPoolClient:
    return pool.add_client(
        name,
        generate_secret=False,
        auth_flows=AuthFlow(
            user_srp=True, admin_user_password=PlatformSettings.of(pool).tools_sign_in or None
        ),
        disable_o_auth=not urls,
        o_auth=OAuthSettings(
            flows=OAuthFlows(authorization_code_grant=True),
            scopes=[OAuthScope.OPENID],
            callback_urls=list(urls),
        )
        if urls
        else None,
        read_attributes=ClientAttributes().with_standard_attributes(email=True, email_verified=True),
        write_attributes=ClientAttributes().with_standard_attributes(email=True),
        prevent_user_existence_errors=True,
        enable_token_revocation=True,
        access_token_validity=Duration.hours(1),
        id_token_validity=Duration.hours(1),
        refresh_token_validity=refresh_token_validity,
    )


def _sign_in_page(pool: UserPool, domain: str, certificate_arn: str | None) -> None:
    """The page of a pool. A prefix is unique in a region of all of AWS, so the account's number is part of it."""
    CfnUserPoolDomain(
        pool,
        "Domain",
        user_pool_id=pool.user_pool_id,
        domain=domain if certificate_arn else f"{domain}-{Aws.ACCOUNT_ID}",
        custom_domain_config=CfnUserPoolDomain.CustomDomainConfigTypeProperty(certificate_arn=certificate_arn)
        if certificate_arn
        else None,
    )
