"""Which service lives in which account and region, per stage: the topology file of a platform.

Without the CDK, so that command line tools can ask it too.
"""

from __future__ import annotations

import tomllib
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PLATFORM = "platform"
"""The service name of the account stacks; the platform's own account has the user pool."""


NAME_PREFIX_LENGTH = 24
"""How much of a stack's name is relied on in the names that CloudFormation generates: those of functions, pipes and rules
have 64 characters for the stack's name, the logical id and a random part."""


class StageName(StrEnum):
    """Where an app can be deployed to."""

    LOCAL = "local"
    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


class TopologyError(ValueError):
    """A topology file that cannot be read, or something that it does not know; says what it does know."""


class Place(NamedTuple):
    """Where stacks live.

    Attributes:
        account: Twelve digits; None is whichever account deploys.
        region: For example `eu-west-1`; None is the deployer's.
    """

    account: str | None = None
    region: str | None = None


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UserPool(_Model):
    """A user pool of a stage, as the services of other accounts need to know it.

    Attributes:
        arn: The user pool.
        id: Its id.
        client_id: The app client's.
    """

    arn: str = Field(pattern=r"^arn:aws[a-z-]*:cognito-idp:[a-z0-9-]+:\d{12}:userpool/\S+$")
    id: str = Field(min_length=1)
    client_id: str = Field(min_length=1)


class Users(NamedTuple):
    """Everybody who signs in at a stage.

    Attributes:
        customers: Who sign up by themselves.
        operators: Staff, who are invited.
    """

    customers: UserPool
    operators: UserPool

    def as_toml(self, stage: str) -> str:
        """The lines of a topology file that say so."""
        tables = {"user_pool": self.customers, "operator_pool": self.operators}
        lines = (
            (
                f"[stages.{stage}.{table}]",
                *(f'{name} = "{value}"' for name, value in pool.model_dump().items()),
                "",
            )
            for table, pool in tables.items()
        )
        return "\n".join(line for table in lines for line in table)


class GitHub(_Model):
    """Where the pipelines run that may deploy the services, and the platform.

    Attributes:
        repository: Whose pipelines deploy one service each: `acme/{service}-service`, or `acme/commerce` for all of them.
        workspace: The repository whose pipeline deploys everything, the platform included.
    """

    repository: str | None = Field(default=None, pattern=r"^[\w.-]+/[\w.{}-]+$")
    workspace: str | None = Field(default=None, pattern=r"^[\w.-]+/[\w.-]+$")

    @model_validator(mode="after")
    def _somebody_is_named(self) -> Self:
        if not self.repository and not self.workspace:
            raise ValueError("name a repository, a workspace, or both")
        return self

    def of(self, service: str) -> str | None:
        """The repository that deploys a service and nothing else; None where only the workspace does."""
        if service == PLATFORM or not self.repository:
            return None
        return self.repository.replace("{service}", service)


class ServicePlace(_Model):
    """What differs for one service of a stage.

    Attributes:
        account: Name of an account; default the stage's.
        region: Default the stage's.
    """

    account: str | None = None
    region: str | None = None


class StageTopology(_Model):
    """Where the services of a stage live.

    Attributes:
        account: Name of the account of every service that `services` does not place elsewhere, by default the platform's
            too. Without one, stacks belong to whichever account deploys them; only the local cloud allows that.
        region: The region likewise.
        services: The services that live elsewhere.
        user_pool: The customers, whose pool the platform has made in its own account, for those who live in others.
            Not known before the platform is deployed there.
        operator_pool: The operators, likewise.
        log_account: Name of the account from which logs, metrics and traces of all others are seen: one of the stage's, or
            one of its own. No two stages share one.
        log_sinks: Region → what the platform has made there for the others to link to; likewise not known at first.
    """

    account: str | None = None
    region: str | None = None
    services: dict[str, ServicePlace] = {}
    user_pool: UserPool | None = None
    operator_pool: UserPool | None = None
    log_account: str | None = None
    log_sinks: dict[
        str, Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:oam:[a-z0-9-]+:\d{12}:sink/\S+$")]
    ] = {}

    @model_validator(mode="after")
    def _pools_come_together(self) -> Self:
        if bool(self.user_pool) != bool(self.operator_pool):
            raise ValueError("user_pool and operator_pool come together: make deploy prints both")
        return self

    @property
    def users(self) -> Users | None:
        """Both pools; None before they are known."""
        return Users(self.user_pool, self.operator_pool) if self.user_pool and self.operator_pool else None


class Topology(_Model):
    """A topology file.

    Examples:
        >>> topology = Topology(
        ...     accounts={"shop-prod": "123456789012"},
        ...     regions=("eu-west-1",),
        ...     services=("cart",),
        ...     stages={"prod": {"account": "shop-prod", "region": "eu-west-1"}},
        ... )
        >>> topology.place("prod", "cart")
        Place(account='123456789012', region='eu-west-1')

    Attributes:
        services: Every service that there is; `platform` need not be named. Without it any service is known, as long as
            no stage places one by name.
        accounts: Account ids by the names that stages use.
        regions: Where services may live.
        stages: By name.
        github: Whose pipelines deploy the services that are listed; without it administrators do.
    """

    services: tuple[str, ...] | None = None
    accounts: dict[str, Annotated[str, Field(pattern=r"^\d{12}$")]] = {}
    regions: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")], ...] = ()
    stages: dict[StageName, StageTopology]
    github: GitHub | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a topology file.

        Raises:
            TopologyError: It cannot be read, is no TOML, or says something that it may not; names the valid values.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text()))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise TopologyError(f"the topology {path} cannot be read: {error}") from error
        except ValidationError as error:
            faults = "; ".join(
                ": ".join(filter(None, (".".join(map(str, each["loc"])), each["msg"])))
                for each in error.errors(include_url=False)
            )
            raise TopologyError(f"the topology {path}: {faults}") from None

    @classmethod
    def anywhere(cls) -> Self:
        """No topology: any service of any stage, wherever it is deployed."""
        return cls(stages=dict.fromkeys(StageName, StageTopology()))

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for name, stage in self.stages.items():
            for service, of_service in stage.services.items():
                self._check("service", service, self.known_services, name)
                self._check_place(of_service, f"{name}, {service}")
            self._check_place(stage, name)
            self._check("account", stage.log_account, self.accounts, name)
            if len(places := self.places(name)) > 1 and any(None in place for place in places):
                raise TopologyError(f"{name}: with several places, each has an account and a region")
            self._check_prefixes(name)
        logs = [stage.log_account for stage in self.stages.values() if stage.log_account]
        if shared := {each for each in logs if logs.count(each) > 1}:
            raise TopologyError(
                f"{', '.join(sorted(shared))} is the log account of several stages: an account has one sink per region"
            )
        if self.github and not self.services:
            raise TopologyError(
                "github needs services: the account stack makes a role to deploy each of them with"
            )
        return self

    def _check_prefixes(self, stage: StageName) -> None:
        """Permissions tell services by how the names of their resources begin."""
        prefixes = sorted((name_prefix(stage, service), service) for service in self.known_services)
        for (prefix, service), (following, other) in pairwise(prefixes):
            if following.startswith(prefix):
                raise TopologyError(
                    f"{stage}: names of {other} begin as those of {service} do ({prefix}…); call one of them otherwise"
                )

    def _check_place(self, place: StageTopology | ServicePlace, where: str) -> None:
        self._check("account", place.account, self.accounts, where)
        self._check("region", place.region, self.regions, where)

    @staticmethod
    def _check(kind: str, value: str | None, known: Iterable[str], where: str) -> None:
        if value is not None and value not in known:
            raise TopologyError(
                f"{where}: unknown {kind} {value!r}; the {kind}s are {', '.join(sorted(known)) or 'none yet'}"
            )

    @property
    def known_services(self) -> tuple[str, ...]:
        """The platform, then the services by name."""
        return (PLATFORM, *sorted(set(self.services or ()) - {PLATFORM}))

    def is_guarded(self, service: str) -> bool:
        """Whether the account stack makes a permissions boundary for a service alone: for each that is listed."""
        return service != PLATFORM and service in (self.services or ())

    def is_deployed_by_pipeline(self, stage: str, service: str) -> bool:
        """Whether the account stack makes roles to deploy a service with: on AWS, where `github` says whose.

        The platform itself has one where a workspace's pipeline deploys it.
        """
        if not self.github or stage == StageName.LOCAL:
            return False
        return bool(self.github.workspace) if service == PLATFORM else self.is_guarded(service)

    def first_of_account(self, place: Place) -> tuple[StageName, Place]:
        """Which stage and place of an account make the provider of GitHub's tokens, which it has once.

        Raises:
            TopologyError: Nobody lives there.
        """
        for stage in (each for each in StageName if each in self.stages and each != StageName.LOCAL):
            for found, residents in self.places(stage).items():
                # The platform has stacks in every place.
                is_deployed = (self.is_deployed_by_pipeline(stage, each) for each in (PLATFORM, *residents))
                if found.account == place.account and any(is_deployed):
                    return stage, found
        raise TopologyError(f"nobody lives in account {place.account}")

    def stage(self, name: str) -> StageTopology:
        """What is said of a stage.

        Raises:
            TopologyError: Nothing is; says of which stages something is.
        """
        if name not in self.stages:
            raise TopologyError(
                f"unknown stage {str(name)!r}; the topology's stages are {', '.join(sorted(self.stages))}"
            )
        return self.stages[StageName(name)]

    def place(self, stage: str, service: str) -> Place:
        """Where a service lives.

        Raises:
            TopologyError: There is no such stage or service in the topology; says which there are.
        """
        of_stage = self.stage(stage)
        if self.services is not None:
            self._check("service", service, self.known_services, stage)
        own = of_stage.services.get(service, ServicePlace())
        account = own.account or of_stage.account
        return Place(self.accounts[account] if account else None, own.region or of_stage.region)

    def places(self, stage: str) -> dict[Place, tuple[str, ...]]:
        """Every place of a stage → who lives there; the platform's own place first, a log account without residents last."""
        found: dict[Place, tuple[str, ...]] = {}
        for service in self.known_services:
            place = self.place(stage, service)
            found[place] = (*found.get(place, ()), service)
        for place in list(found):
            if logs := self.logs_of(stage, place):
                found.setdefault(logs, ())
        return found

    def logs_of(self, stage: str, place: Place) -> Place | None:
        """From where what happens in a place is seen, which is in its region; None without a log account."""
        account = self.stage(stage).log_account
        return Place(self.accounts[account], place.region) if account else None


def name_prefix(stage: str, service: str) -> str:
    """How the generated names of a service's resources begin, on which its permissions rely."""
    return f"commerce-{stage}-{service}-"[:NAME_PREFIX_LENGTH]


def role_path(stage: str, service: str) -> str:
    """The path of the roles of a service, which is part of their ARNs."""
    return f"/commerce/{stage}/{service}/"


def boundary_name(stage: str, service: str) -> str:
    """The managed policy that is the permissions boundary of a service's roles."""
    return f"commerce-{stage}-{service}-boundary"


def common_boundary_name(stage: str, place: Place) -> str:
    """The boundary of roles of services that no topology lists; one per region, because IAM knows none."""
    return "-".join(filter(None, (f"commerce-{stage}-boundary", place.region)))


def platform_boundary_name(stage: str, place: Place) -> str:
    """The boundary of the platform's own roles, likewise."""
    return "-".join(filter(None, (boundary_name(stage, PLATFORM), place.region)))


def workspace_role_name(stage: str) -> str:
    """The role of the pipeline that deploys everything."""
    return f"commerce-{stage}-deploy"


def deploy_role_name(stage: str, service: str) -> str:
    """The role of a service's pipeline."""
    return f"commerce-{stage}-{service}-deploy"


def execution_role_name(stage: str, service: str) -> str:
    """The role in which CloudFormation makes and changes a service's resources."""
    return f"commerce-{stage}-{service}-cloudformation"
