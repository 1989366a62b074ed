"""An event that a change of an item means: its published model, where the data is stored, and when."""

from __future__ import annotations

import json
import re
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Literal

from pydantic_core import PydanticUndefined

from shared_constructs.change_feed.conditions import Condition
from shared_constructs.direct_api.shapes import Elements, Stored, Structure, structure_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service_runtime.envelope import PublishedEvent

    from shared_constructs.direct_api.shapes import Member, Shape

ALWAYS = Condition("true", fails=())

_IMAGE = re.compile(
    r"\$exists\(\$old\)|\$(?P<image>new|old)\b(?:\.(?P<name>[^\W\d]\w*)|\.`(?P<quoted>[^`]+)`)?"
)


@dataclass(frozen=True)
class DomainEvent:
    """An event that a change of the table means.

    Its detail type and its data come from the published model, the data as a route's answer comes from its response
    model: each field from the attribute of its JSON name (or of the name that `Stored` gives), nested models from
    maps and lists of maps. A field whose attribute is absent is absent.

    Attributes:
        model: The published model of the event's data.
        aggregate_id: The attribute that says what the event is about (`sku`).
        when: Whether the change means this event; default always.
        version: The attribute with the aggregate's version that made the event, or that version itself. An event that
            is republished keeps its id only if this still gives the same number.
        data: Fields that come from elsewhere, by JSON name: `Stored("lines")` from another attribute, text from
            JSONata over `$new` and `$old` (see `Condition`; in JSONata an array built from one element
            collapses to it: write `[...]` around it).

    Raises:
        ValueError: The model has no detail type, `data` names a field that it does not have, or an expression reads an
            image otherwise than by an attribute's name.
        ModelError: The model has a field that no expression can be made for.

    Examples:
        >>> event = DomainEvent(OrderConfirmed, aggregate_id="orderId", when=became("status", "CONFIRMED"))
        >>> event.detail_type
        'OrderConfirmed.v1'
    """

    model: type[PublishedEvent]
    _: KW_ONLY
    aggregate_id: str
    when: Condition = ALWAYS
    version: str | int = "version"
    data: Mapping[str, Stored | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what could not be published."""
        names = [member.name for member in structure_of(self.model, "response").fields]
        if unknown := sorted(set(self.data) - set(names)):
            raise ValueError(
                f"{self.detail_type} has no field {', '.join(unknown)}; its fields are {', '.join(names)}"
            )
        self.attributes("new")

    @property
    def detail_type(self) -> str:
        """`<Fact>.v<major>`."""
        return self.model.detail_type()

    def expression(self) -> str:
        """The event in JSONata; absent when the change does not mean it."""
        version = self.version if isinstance(self.version, int) else f"$new.{self.version}"
        event = f"$event('{self.detail_type}', $string($new.{self.aggregate_id}), {version}, {self._data()})"
        return event if self.when is ALWAYS else f"({self.when.jsonata} ? {event})"

    def attributes(self, image: Literal["new", "old"]) -> frozenset[str]:
        """The attributes of an image that the event is made of, its metadata aside.

        Args:
            image: The item after the change, or before.
        """
        found = set()
        for reading in _IMAGE.finditer(self.expression()):
            name = reading["name"] or reading["quoted"]
            if reading["image"] and not name:
                raise ValueError(
                    f"{self.detail_type} must read an image by an attribute's name, as in $new.status, because only "
                    f"what is named is there; got {self.expression()[reading.start() :][:60]!r}"
                )
            if reading["image"] == image:
                found.add(name)
        return frozenset(found)

    def _data(self) -> str:
        fields = []
        for member in structure_of(self.model, "response").fields:
            source = self.data.get(member.name)
            if isinstance(source, str):
                fields.append(f"'{member.name}': {source}")
            else:
                attribute = source.attribute if source else member.attribute
                fields.append(f"'{member.name}': {_value(member, f'$new.{quoted(attribute)}')}")
        return f"{{{', '.join(fields)}}}"


def quoted(attribute: str) -> str:
    """An attribute's name as JSONata writes it."""
    return attribute if attribute.isidentifier() else f"`{attribute}`"


def _value(member: Member, path: str) -> str:
    value = _of(member.shape, path)
    if member.default is not PydanticUndefined:
        return f"($exists({path}) ? {value} : {json.dumps(member.default)})"
    if member.optional and value != path:
        return f"({path} != null ? {value})"
    return value


def _of(shape: Shape, path: str) -> str:
    """A value at a path: objects field by field, lists element by element, everything else as it is stored."""
    if isinstance(shape, Structure):
        fields = ", ".join(f"'{each.name}': {_value(each, quoted(each.attribute))}" for each in shape.fields)
        return f"{path}.{{{fields}}}"
    if isinstance(shape, Elements):
        return f"[{_of(shape.element, path)}]"
    return path
