"""The envelope of every event: who says what about which version of which aggregate, and because of what."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

DOMAIN = "commerce"
SCHEMA_VERSION = "1.0"
MAX_DETAIL_BYTES = 255 * 1024
"""Step Functions: a workflow's input has at most 256 KiB, and EventBridge's own fields take their part of them."""

_CORRELATION_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_DETAIL_TYPE = r"^[A-Z][A-Za-z0-9]*\.v[1-9][0-9]*$"


class WireModel(BaseModel):
    """Base of everything that travels as JSON: immutable, camelCase on the wire, snake_case in Python.

    Unknown fields are ignored, so that a producer may add fields without breaking its consumers. A model is built when
    it is first used: a first request needs few of those that its function imports.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, defer_build=True
    )


class PublishedEvent(WireModel):
    """Base of the data of every event that a service publishes; the class says the detail type.

    ``class OrderConfirmed(PublishedEvent, major=1)`` is ``OrderConfirmed.v1``. The next major is published beside it as
    ``class OrderConfirmedV2(PublishedEvent, major=2)``. A class without a major is a base of others, not an event.
    """

    major: ClassVar[int | None] = None

    @classmethod
    def __init_subclass__(cls, *, major: int | None = None, **kwargs: Any) -> None:
        """Take the major from the class statement.

        Args:
            major: Version of the contract, 1 or more; counts up with incompatible changes.
            **kwargs: Pydantic's.
        """
        super().__init_subclass__(**kwargs)
        cls.major = major

    @classmethod
    def detail_type(cls) -> str:
        """`<Fact>.v<major>`.

        Raises:
            ValueError: The class states no major, or one below 1.
        """
        if cls.major is None or cls.major < 1:
            raise ValueError(
                f"{cls.__name__} is no event of its own; an event's class states its major:"
                f" class {cls.__name__}(PublishedEvent, major=1)"
            )
        return f"{cls.__name__.removesuffix(f'V{cls.major}')}.v{cls.major}"


def examples(*data: dict[str, Any]) -> ConfigDict:
    """The configuration of an event's model, with examples that its schema is published with.

    Args:
        *data: The data as they travel; what the event is about comes first.
    """
    return ConfigDict(json_schema_extra={"examples": list(data)})


def published_events(package: ModuleType) -> dict[str, type[PublishedEvent]]:
    """The events that a package of contracts publishes, by detail type, as written there.

    Args:
        package: The module with the models, `<service>.contracts.published`.
    """
    return {
        model.detail_type(): model
        for model in vars(package).values()
        if isinstance(model, type)
        and issubclass(model, PublishedEvent)
        and model.__module__ == package.__name__
        and model.major is not None
    }


DataT = TypeVar("DataT")


class EnvelopeError(ValueError):
    """What arrived is not an event of this platform, or its data does not fit the consumer's model."""


def event_id(source: str, aggregate_id: str, aggregate_version: int, detail_type: str) -> str:
    """Identity of an event: the same fact has the same id, however often it is emitted.

    Args:
        source: The event's source, `commerce.<service>`.
        aggregate_id: What the event is about.
        aggregate_version: The aggregate's version that made the event.
        detail_type: `<Fact>.v<major>`.

    Returns:
        The first 32 hex digits of SHA-256 over `source|aggregateId|aggregateVersion|detail-type`; the change
        feed computes the same with JSONata's `$hash`.
    """
    fact = f"{source}|{aggregate_id}|{aggregate_version}|{detail_type}"
    return hashlib.sha256(fact.encode()).hexdigest()[:32]


def correlation_id_or_new(candidate: str | None) -> str:
    """The caller's correlation id if it is acceptable, else a new one.

    Args:
        candidate: What the caller sent; acceptable are 1 to 64 characters of `[A-Za-z0-9-]` (it reaches logs, headers
            and items, so anything else is replaced rather than escaped everywhere).
    """
    return candidate if candidate and _CORRELATION_ID.fullmatch(candidate) else str(uuid.uuid4())


def utc_now() -> datetime:
    """The present moment, with its time zone."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """A moment as RFC 3339 UTC with milliseconds and `Z`.

    Raises:
        ValueError: The moment carries no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a moment needs a time zone, got the naive {moment.isoformat()}")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Metadata(WireModel):
    """What every event says about itself (``detail.metadata``)."""

    event_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    correlation_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    causation_id: Annotated[str, Field(min_length=1, max_length=128)]
    occurred_at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]
    domain: str = DOMAIN
    service: Annotated[str, Field(min_length=1)]
    stage: Annotated[str, Field(min_length=1)]
    schema_version: str = SCHEMA_VERSION
    aggregate_id: Annotated[str, Field(min_length=1)]
    aggregate_version: Annotated[int, Field(ge=0)]


class Cause(WireModel):
    """What a change goes back to; stored with it, so that the change feed can put it into the events.

    Attributes:
        correlation_id: of the conversation.
        causation_id: id of the event or request that is being answered.
    """

    correlation_id: str
    causation_id: str


class Event(WireModel, Generic[DataT]):
    """A fact about an aggregate, as it travels on the bus.

    Attributes:
        source: ``commerce.<service>``.
        detail_type: ``<Fact>.v<major>``.
        metadata: the envelope's metadata.
        data: the fact itself; a pydantic model or plain JSON.
    """

    source: Annotated[str, Field(pattern=r"^commerce\.[a-z][a-z0-9-]*$")]
    detail_type: Annotated[str, Field(pattern=_DETAIL_TYPE)]
    metadata: Metadata
    data: DataT

    @classmethod
    def create(
        cls,
        *,
        service: str,
        stage: str,
        detail_type: str,
        aggregate_id: str,
        aggregate_version: int,
        data: DataT,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        occurred_at: datetime | None = None,
    ) -> Event[DataT]:
        """A new event with its identity computed.

        Args:
            service: The producing service, without the `commerce.` prefix.
            stage: The stage it happened in.
            detail_type: `<Fact>.v<major>`.
            aggregate_id: What the event is about.
            aggregate_version: The aggregate's version after the change.
            data: The fact, a pydantic model or JSON-able value.
            correlation_id: Of the conversation; default a new one (also for an unacceptable one).
            causation_id: Id of the event or request that this one answers; default the correlation id.
            occurred_at: When it happened; default now.
        """
        source = f"{DOMAIN}.{service}"
        correlation = correlation_id_or_new(correlation_id)
        return cls(
            source=source,
            detail_type=detail_type,
            metadata=Metadata(
                event_id=event_id(source, aggregate_id, aggregate_version, detail_type),
                correlation_id=correlation,
                causation_id=causation_id or correlation,
                occurred_at=rfc3339(occurred_at or utc_now()),
                service=service,
                stage=stage,
                aggregate_id=aggregate_id,
                aggregate_version=aggregate_version,
            ),
            data=data,
        )

    @classmethod
    def parse(cls, envelope: Mapping[str, Any], *, data: Any = Any) -> Event[Any]:
        """Read an event as EventBridge delivers it (`source`, `detail-type`, `detail`).

        Args:
            envelope: The EventBridge event.
            data: Type of `detail.data`; a pydantic model of only the fields the consumer reads.

        Raises:
            EnvelopeError: Names each field that does not fit.
        """
        detail = envelope.get("detail")
        if not isinstance(detail, dict):
            raise EnvelopeError(f"an event needs an object in 'detail', got {type(detail).__name__}")
        fields = {
            "source": envelope.get("source"),
            "detailType": envelope.get("detail-type"),
            "metadata": detail.get("metadata"),
            "data": detail.get("data"),
        }
        try:
            # Subscripting at run time: which model applies is known only where the consumer registers it.
            return Event[data].model_validate(fields)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)
            )
            raise EnvelopeError(f"event {envelope.get('detail-type')!r} does not fit: {faults}") from error

    @property
    def cause(self) -> Cause:
        """What a change goes back to that this event brings about."""
        return Cause(correlation_id=self.metadata.correlation_id, causation_id=self.metadata.event_id)

    def detail(self) -> dict[str, Any]:
        """The `detail` of the EventBridge event: metadata and data, camelCase, JSON types only.

        Raises:
            EnvelopeError: It is larger than what every consumer on the bus can take.
        """
        dumped = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        detail = {"metadata": dumped["metadata"], "data": dumped["data"]}
        if (size := len(json.dumps(detail, ensure_ascii=False).encode())) > MAX_DETAIL_BYTES:
            raise EnvelopeError(
                f"{self.detail_type} of {self.metadata.aggregate_id} has {size:,} bytes, an event may have "
                f"{MAX_DETAIL_BYTES:,}; publish where the data are, not the data"
            )
        return detail

    def envelope(self) -> dict[str, Any]:
        """The event as EventBridge delivers it to a target; for tests and tools."""
        return {
            "version": "0",
            "id": str(uuid.UUID(self.metadata.event_id)),
            "detail-type": self.detail_type,
            "source": self.source,
            "account": "111111111111",
            "time": self.metadata.occurred_at,
            "region": "eu-west-1",
            "resources": [],
            "detail": self.detail(),
        }
