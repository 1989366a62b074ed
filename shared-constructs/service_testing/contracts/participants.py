"""Who takes part when contracts are executed: a service's contracts, its templates, and what its callers do."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from service_contracts import Contracts

from service_testing.contracts.inputs import Heard, Inputs, inputs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel
    from service_contracts.schemas import Schema

    from service_testing.templates import Template


@dataclass(frozen=True)
class Participant:
    """A service that takes part.

    Attributes:
        contracts: What it publishes and consumes.
        templates: Stack name → template, of any one stage.
        given: What its callers do; default its own `tests/contracts/inputs.py`.
    """

    contracts: Contracts
    templates: Mapping[str, Template] = field(repr=False)
    given: Inputs | None = None

    @property
    def name(self) -> str:
        """The service's folder, `order-service`."""
        return f"{self.contracts.service}-service"

    @cached_property
    def inputs(self) -> Inputs:
        """What its callers do."""
        return self.given or inputs_of(self.contracts)

    @cached_property
    def committed(self) -> Mapping[str, Schema]:
        """The published schemas of its events, by detail type."""
        return self.contracts.committed()

    def consumed(self, source: str) -> dict[str, type[BaseModel]]:
        """The models of what it reads of a producer's events, by detail type."""
        locked = self.contracts.lock.schemas()
        return {name: model for name, model in self.contracts.consumed.items() if (source, name) in locked}

    @cached_property
    def heard(self) -> list[tuple[str, Heard]]:
        """What it consumes, with its source, as it is told where that source is not at hand."""
        said = {each.event: each for each in self.inputs.heard}
        return [
            (source, said.get(name) or Heard(event=name)) for source, name in self.contracts.lock.schemas()
        ]

    def named(self, logical_id: str) -> str:
        """A resource of it in what is told."""
        return f"{self.name}: {logical_id}"


def participant(package: str, folder: str | Path) -> Participant:
    """A service from its synthesized templates.

    Args:
        package: Its import package.
        folder: Where `cdk synth` has put its templates.
    """
    templates = {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted(Path(folder).glob("*.template.json"))
    }
    return Participant(Contracts(package), templates)
