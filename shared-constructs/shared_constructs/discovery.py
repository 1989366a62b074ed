"""How services find what others offer: SSM parameters under one typed path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from service_topology import StageName

_NAME = re.compile(r"^[a-z][a-z0-9-]{0,62}[a-z0-9]$")

VALUES: Final = {
    "arn": r"arn:[a-z-]+:[a-z0-9-]+:.+",
    "url": r"https?://\S+",
    "name": r"[A-Za-z0-9._/-]+",
    "id": r"[A-Za-z0-9._-]+",
}
"""Last word of a parameter's name → the pattern that its value must match: SSM refuses another one when it is written."""


@dataclass(frozen=True, kw_only=True)
class Discoverable:
    """The address of one published value: `/commerce/<stage>/<service>/<name>/v<major>`.

    The major version is the contract of the value's meaning: an incompatible change is published beside the old one.

    Attributes:
        stage: The stage that the value belongs to.
        service: Who publishes it, for example `platform`.
        name: What it is, in lower-case words joined by hyphens, for example `event-bus-arn`.
        major: Version of its meaning, from 1.
    """

    stage: StageName
    service: str
    name: str
    major: int = 1

    def __post_init__(self) -> None:
        for field, value in (("service", self.service), ("name", self.name)):
            if not _NAME.match(value):
                raise ValueError(
                    f"a discoverable {field} must be 2 to 64 lower-case letters, digits and hyphens, "
                    f"beginning with a letter, got {value!r}"
                )
        if self.major < 1:
            raise ValueError(f"the major version of {self.name} must be 1 or more, got {self.major}")

    @property
    def pattern(self) -> str:
        """What the value must look like, by the last word of its name: `-arn`, `-url`, `-name`, `-id`; else any text."""
        return VALUES.get(self.name.rpartition("-")[2], ".+")

    @property
    def path(self) -> str:
        """The name of the SSM parameter."""
        return f"/commerce/{self.stage.value}/{self.service}/{self.name}/v{self.major}"
