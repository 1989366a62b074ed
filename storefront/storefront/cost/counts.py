"""What each journey was seen to use of each resource, as it is kept, and whether that is still what stands."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storefront.client import StorefrontError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from storefront.cost.assumptions import Assumptions
    from storefront.cost.templates import Stage

Json = dict[str, Any]
Quantities = dict[str, float]

KEPT = Path("docs/cost/counts.json")
"""From the workspace's root."""
WORKING = (
    *("AWS::ApiGateway::RestApi", "AWS::DynamoDB::Table", "AWS::Lambda::Function"),
    *("AWS::Pipes::Pipe", "AWS::SQS::Queue", "AWS::StepFunctions::StateMachine"),
)
"""Types whose use is counted by resource; log groups follow them, and events are counted by who publishes."""
# What of a resource decides how much is used: of a function its code would, and changes with every word.
_DEFINING: Mapping[str, tuple[str, ...]] = {
    "AWS::StepFunctions::StateMachine": ("DefinitionString", "StateMachineType"),
    "AWS::Pipes::Pipe": ("SourceParameters", "TargetParameters", "EnrichmentParameters"),
    "AWS::DynamoDB::Table": ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"),
}


@dataclass(frozen=True)
class Counts:
    """What was counted.

    Attributes:
        journeys: Quantities by journey and resource key, for one time.
        starts: Milliseconds that a function's start took, by its key.
        metrics: How many metrics of its own a function's log was seen to write, by its key.
        definitions: Digest of what defines each resource that stood, by key.
        about: When, of which commit, how often.
    """

    journeys: Mapping[str, Mapping[str, Quantities]]
    starts: Mapping[str, float]
    metrics: Mapping[str, int]
    definitions: Mapping[str, str]
    about: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path) -> Counts:
        """Those of a file.

        Raises:
            StorefrontError: It is not there.
        """
        if not file.exists():
            raise StorefrontError(f"Nothing was counted yet: there is no {file}.", "make cost COUNT=1")
        return cls(**json.loads(file.read_text()))

    def write(self, file: Path) -> None:
        """Keep them."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(vars(self), indent=1, sort_keys=True) + "\n")

    def used(self, mix: Mapping[str, float]) -> dict[str, Quantities]:
        """What one order uses of each resource.

        Args:
            mix: How often each journey happens for it.

        Raises:
            StorefrontError: A journey of the mix was not counted.
        """
        if missing := [name for name, times in mix.items() if times and name not in self.journeys]:
            raise StorefrontError(
                f"Not counted: {', '.join(missing)}.", "Count again: make cost COUNT=1 (3 minutes)"
            )
        total: dict[str, Quantities] = {}
        for name, times in mix.items():
            for key, quantities in self.journeys.get(name, {}).items() if times else ():
                into = total.setdefault(key, {})
                for quantity, count in quantities.items():
                    into[quantity] = into.get(quantity, 0.0) + times * count
        return total


@dataclass(frozen=True)
class Age:
    """How what was counted differs from what stands.

    Attributes:
        unknown: Resources that did not stand when it was counted.
        gone: Resources that were counted and stand no more.
        changed: Resources that are defined in another way now.
        functions: Those of the unknown that are functions.
    """

    unknown: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()

    @property
    def is_too_old(self) -> bool:
        """The rule: a queue, pipe, workflow, table or API has come, or anything that was counted has gone.

        What is defined in another way, and a function that has come, is said and trusted: what feeds a function is one of
        the others, unless it is a trigger or an operator's tool.
        """
        return bool(self.gone or {*self.unknown} - {*self.functions})

    def lines(self) -> Iterator[str]:
        """Each difference as a sentence."""
        for names, what in (
            (self.unknown, "did not stand when it was counted, so nothing of it is in the figures"),
            (self.gone, "was counted and stands no more"),
            (self.changed, "was counted with another definition"),
        ):
            if names:
                yield f"{', '.join(names)}: {what}."


def definitions(stage: Stage) -> dict[str, str]:
    """Digest of what defines each resource that works."""
    found = {}
    for resource in stage.of_type(*WORKING):
        parts = [resource.properties.get(name) for name in _DEFINING.get(resource.type, ())]
        text = json.dumps([resource.type, *parts], sort_keys=True)
        found[resource.key] = hashlib.sha256(text.encode()).hexdigest()[:12]
    return found


def age(counts: Counts, stage: Stage) -> Age:
    """How a stage's templates differ from those that stood when it was counted.

    Args:
        counts: What was counted.
        stage: The stage that was counted on, as it is now: stages differ in what they have.
    """
    then, now = counts.definitions, definitions(stage)
    services = {key.partition("/")[0] for key in now}
    gone = {key for key in then.keys() - now.keys() if key.partition("/")[0] in services}
    return Age(
        tuple(sorted(now.keys() - then.keys())),
        tuple(sorted(gone)),
        tuple(sorted(key for key in now.keys() & then.keys() if now[key] != then[key])),
        tuple(sorted({each.key for each in stage.of_type("AWS::Lambda::Function")} - then.keys())),
    )


def of_an_order(counts: Counts, assumptions: Assumptions) -> dict[str, Quantities]:
    """What one order uses of each resource, everything that happens around it included."""
    return counts.used(assumptions.mix)
