"""What a state writes to an item of DynamoDB, as data that several states can share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from states_language.definition import Definition


@dataclass(frozen=True, kw_only=True)
class ItemUpdate:
    """Attributes that an `UpdateItem` writes, DynamoDB-typed: `{"status": {"S": "{% $status %}"}}`.

    Attributes:
        values: Attributes to set.
        append: Elements to append to lists, which must exist; several of one list in their order.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    append: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def added_to(self, arguments: Definition) -> Definition:
        """An UpdateItem's arguments that write this, too.

        Args:
            arguments: What the state writes besides; its `UpdateExpression` ends with the SET clause.

        Raises:
            ValueError: Both write an attribute, or use one placeholder for two things.
        """
        written = {**self.values, **{name: {"L": [*elements]} for name, elements in self.append.items()}}
        placeholders = {f":{name}": value for name, value in written.items()}
        names, values = arguments.get("ExpressionAttributeNames", {}), arguments["ExpressionAttributeValues"]
        if clash := sorted({*self.values} & {*self.append} | {*names.values()} & {*written}):
            raise ValueError(f"{', '.join(clash)} would be written twice")
        if clash := sorted({*values} & {*placeholders}):
            raise ValueError(f"{', '.join(clash)} would stand for two values; rename one of the attributes")
        sets = [f"#{name} = :{name}" for name in self.values]
        sets += [f"#{name} = list_append(#{name}, :{name})" for name in self.append]
        return {
            **arguments,
            "UpdateExpression": ", ".join([arguments["UpdateExpression"], *sets]),
            "ExpressionAttributeNames": {**names, **{f"#{name}": name for name in written}},
            "ExpressionAttributeValues": {**values, **placeholders},
        }
