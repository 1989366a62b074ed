"""The stages of the platform and everything that differs between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

from aws_cdk import RemovalPolicy
from aws_cdk.aws_logs import RetentionDays
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from service_topology import StageName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from constructs import IConstruct
    from pydantic_core import ErrorDetails

_RETENTION = {
    1: RetentionDays.ONE_DAY,
    3: RetentionDays.THREE_DAYS,
    7: RetentionDays.ONE_WEEK,
    14: RetentionDays.TWO_WEEKS,
    30: RetentionDays.ONE_MONTH,
    90: RetentionDays.THREE_MONTHS,
    180: RetentionDays.SIX_MONTHS,
    365: RetentionDays.ONE_YEAR,
}


Rollout = Literal[
    "ALL_AT_ONCE",
    "CANARY_10_PERCENT_5_MINUTES",
    "CANARY_10_PERCENT_15_MINUTES",
    "LINEAR_10_PERCENT_EVERY_1_MINUTE",
    "LINEAR_10_PERCENT_EVERY_3_MINUTES",
]
"""How a new version takes over, by the CDK's names of CodeDeploy's configurations: at once, a tenth first and all the rest after those minutes, or
a further tenth every so many minutes
(https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html)."""


class StageError(ValueError):
    """An unknown stage, an unknown setting or a value that a setting does not allow."""


class Stage(BaseModel):
    """The settings of one stage; the defaults here are the library's, made for production.

    Precedence, lowest first: **the library's default** (this class) < **the stage** (``_STAGES`` below) <
    **the caller** (``stages`` in the context of the app's ``cdk.json``, then a construct's own argument) <
    **what a construct must enforce** (own log group, encryption, least privilege; no argument for those).

    A service changes a stage for itself in its ``cdk.json``::

        {"context": {"stages": {"prod": {"log_retention_days": 365}}}}

    Account and region are no setting: they are the topology's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: StageName

    log_retention_days: Literal[1, 3, 7, 14, 30, 90, 180, 365] = 90
    log_level: Literal["DEBUG", "INFO", "WARN", "ERROR"] = "INFO"
    log_sample_rate: float = Field(
        default=0.01, ge=0, le=1, description="Share of invocations that log at DEBUG."
    )
    workflow_log_level: Literal["ALL", "ERROR"] = Field(
        default="ERROR",
        description="What workflows log: every event, or failures only; those that a metric reads log every event.",
    )
    include_execution_data: bool = Field(
        default=False, description="Write workflow input and output to logs; they can hold personal data."
    )
    tracing: bool = Field(default=True, description="Trace functions, APIs and workflows with X-Ray.")
    alarms: bool = Field(
        default=True, description="Alarms notify somebody; where false they only change state."
    )

    docs_url: str = Field(
        default="https://docs.commerce.example/",
        pattern=r"^https?://\S+/$",
        description="Where this platform's documentation is served, for the runbooks that alarms link to.",
    )

    function_memory_mb: int = Field(
        default=1024, ge=128, le=10240, description="CPU grows with it: 1769 MB is one vCPU."
    )
    consumer_max_concurrency: int = Field(
        default=10,
        ge=2,
        le=1000,
        description="Batches of one queue handled at once; SQS event sources allow 2 to 1000.",
    )
    rollout: Rollout = Field(
        default="CANARY_10_PERCENT_5_MINUTES",
        description="How a new version of a function, or of a workflow that callers wait for, takes over.",
    )
    synthetic_check_minutes: int | None = Field(
        default=1,
        ge=1,
        le=60,
        description="How often each API is asked from outside (`SyntheticCheck`); none for not at all.",
    )
    throttle_rate: int = Field(default=200, ge=1, le=10_000, description="Requests per second of one API.")
    throttle_burst: int = Field(
        default=400, ge=1, le=5_000, description="Requests of one API at one instant."
    )
    public_write_rate: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Requests per second of each route that writes without a token; twice as many at one instant.",
    )
    source_limit: int | None = Field(
        default=3000,
        ge=10,
        le=2_000_000_000,
        description="Requests to one API from one address in five minutes, by a web ACL; none for no web ACL.",
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description="Browser origins that may call the APIs; none by default."
    )
    sign_in_urls: tuple[str, ...] = Field(
        default=(), description="Where Cognito's sign-in page may return to; without any, clients use SRP."
    )

    retain_data: bool = Field(
        default=True, description="Tables, pools and queues outlive the deletion of their stack."
    )
    deletion_protection: bool = Field(
        default=True, description="Tables, pools and stateful stacks refuse to be deleted."
    )
    point_in_time_recovery: bool = Field(default=True, description="Tables can be restored to any second.")
    event_archive_days: int = Field(
        default=90, ge=1, description="How long the bus keeps events that can be replayed."
    )
    monthly_budget_usd: int = Field(
        default=200, ge=1, description="What the stage may cost in one account; where alarms notify somebody."
    )
    mfa: Literal["OFF", "OPTIONAL"] = Field(
        default="OPTIONAL", description="Whether customers can add a second factor when signing in."
    )

    @model_validator(mode="after")
    def _public_writes_leave_room(self) -> Self:
        if self.public_write_rate >= self.throttle_rate and not self.is_local:
            raise ValueError(
                f"public_write_rate ({self.public_write_rate}) must be below throttle_rate ({self.throttle_rate}):"
                " what needs no token may not use up the API"
            )
        return self

    @model_validator(mode="after")
    def _protected_data_is_retained(self) -> Self:
        if self.deletion_protection and not self.retain_data:
            raise ValueError("deletion_protection needs retain_data: a protected table cannot be destroyed")
        return self

    @property
    def is_local(self) -> bool:
        """Whether this stage runs on the developer's own machine."""
        return self.name is StageName.LOCAL

    @property
    def log_retention(self) -> RetentionDays:
        """How long log groups keep what is written to them."""
        return _RETENTION[self.log_retention_days]

    @property
    def metric_namespace(self) -> str:
        """Where our own metrics are: stages that share an account do not share them."""
        return f"Commerce/{self.name.value}"

    @property
    def removal_policy(self) -> RemovalPolicy:
        """What becomes of stateful resources when their stack goes."""
        return RemovalPolicy.RETAIN if self.retain_data else RemovalPolicy.DESTROY

    @classmethod
    def named(cls, name: str, overrides: Mapping[str, Any] | None = None) -> Stage:
        """The stage of that name, with a caller's overrides.

        Args:
            name: One of `local`, `dev`, `staging`, `prod`.
            overrides: Settings of this class, by name.

        Raises:
            StageError: The stage or a setting is unknown, or a value is not allowed; the message lists what is.
        """
        return resolve(name, overrides or {}, ServiceSettings)[0]


class ServiceSettings(BaseModel):
    """A service's own settings of one stage, beside the library's: a subclass has them as fields.

    Precedence and overriding are those of ``Stage``: the field's default < ``stages`` of the subclass < ``stages`` in
    the context of the app's ``cdk.json``. The app is told the subclass, its constructs ask for it::

        class OrderSettings(ServiceSettings):
            stages: ClassVar = {StageName.LOCAL: {"payment_wait_seconds": 60}}

            payment_wait_seconds: int = Field(default=900, ge=1, description="How long an order waits.")

        app = ServiceApp(service="order", settings=OrderSettings)
        OrderSettings.of(construct).payment_wait_seconds

    Attributes:
        stages: what differs from the defaults, by stage.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    stages: ClassVar[Mapping[StageName, Mapping[str, Any]]] = {}

    @classmethod
    def of(cls, construct: IConstruct) -> Self:
        """The settings of the app that a construct is in.

        Raises:
            TypeError: The app was not made with this class.
        """
        settings = getattr(construct.node.root, "settings", None)
        if not isinstance(settings, cls):
            raise TypeError(
                f"{construct.node.path} needs an app made with ServiceApp(settings={cls.__name__}), its settings are "
                f"{type(settings).__name__}"
            )
        return settings


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
ModelT = TypeVar("ModelT", bound=BaseModel)


def resolve(name: str, overrides: Mapping[str, Any], settings: type[SettingsT]) -> tuple[Stage, SettingsT]:
    """The library's and a service's settings of a stage.

    Args:
        name: Of the stage.
        overrides: The caller's, of both kinds.
        settings: The service's.

    Raises:
        StageError: The stage or a setting is unknown, or a value is not allowed; the message lists what is.
        TypeError: The service has a setting of a name that the library has.
    """
    try:
        stage = StageName(name)
    except ValueError:
        raise StageError(f"unknown stage {name!r}; the stages are {_listed(StageName)}") from None
    if clash := set(settings.model_fields) & set(Stage.model_fields):
        raise TypeError(f"{settings.__name__} has the library's {_listed(clash)}; override that in cdk.json")
    valid = {*Stage.model_fields, *settings.model_fields} - {"name"}
    if unknown := set(overrides) - valid:
        raise StageError(
            f"stage {stage.value}: unknown setting {_listed(map(repr, unknown))}; the settings are {_listed(valid)}"
        )
    own = {setting: value for setting, value in overrides.items() if setting in settings.model_fields}
    library = {setting: value for setting, value in overrides.items() if setting not in own}
    return (
        _validated(stage, Stage, {**_STAGES[stage], **library, "name": stage}),
        _validated(stage, settings, {**settings.stages.get(stage, {}), **own}),
    )


def _validated(stage: StageName, model: type[ModelT], values: Mapping[str, Any]) -> ModelT:
    try:
        # The lax mode of JSON: a list is a tuple; in strict Python mode it is not.
        return model.model_validate(values, strict=False)
    except ValidationError as error:
        faults = "; ".join(_fault(each) for each in error.errors(include_url=False))
        raise StageError(f"stage {stage.value}: {faults}") from None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _fault(error: ErrorDetails) -> str:
    setting = ".".join(str(part) for part in error["loc"])
    return f"{setting}: {error['msg']}, got {error['input']!r}" if setting else error["msg"]


_THROWAWAY: dict[str, Any] = {
    "retain_data": False,
    "deletion_protection": False,
    "alarms": False,
    "rollout": "ALL_AT_ONCE",
    "synthetic_check_minutes": None,
    "log_level": "DEBUG",
    "log_sample_rate": 0.0,
    "workflow_log_level": "ALL",
    "include_execution_data": True,
    "cors_origins": ("*",),
    "sign_in_urls": ("http://localhost:3000/",),
    "source_limit": None,
    "mfa": "OFF",
}

_STAGES: dict[StageName, dict[str, Any]] = {
    StageName.LOCAL: {
        **_THROWAWAY,
        "log_level": "INFO",  # DEBUG drowns `make logs`
        "log_retention_days": 1,
        "tracing": False,
        "point_in_time_recovery": False,
        "event_archive_days": 1,
        "consumer_max_concurrency": 5,
        "function_memory_mb": 512,
        "throttle_rate": 10_000,
        "throttle_burst": 5_000,
        "public_write_rate": 10_000,
    },
    StageName.DEV: {
        **_THROWAWAY,
        "log_retention_days": 7,
        "event_archive_days": 7,
        "throttle_rate": 50,
        "throttle_burst": 100,
        "public_write_rate": 20,
    },
    StageName.STAGING: {
        "log_retention_days": 30,
        "event_archive_days": 14,
        "log_sample_rate": 0.1,
    },
    StageName.PROD: {
        "monthly_budget_usd": 1000,
        "throttle_rate": 1000,
        "throttle_burst": 2000,
        "public_write_rate": 200,
        "consumer_max_concurrency": 50,
    },
}
