"""Run services together, or one alone, for a number of generated histories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import hypothesis
from hypothesis import strategies as st
from service_contracts import Contracts

from service_testing.contracts.observations import Observations, judged
from service_testing.contracts.participants import Participant
from service_testing.contracts.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from service_testing.templates import Template

HISTORIES: Final = 10
"""As many as a pull request waits for; they meet every event several times."""

ROUNDS: Final = 4
"""How often a history has each thing that can happen, in an order of its own: enough to bring an order to each of its ends."""


def execute(services: Sequence[Participant], *, examples: int, seed: int = 0) -> Observations:
    """Let services live through generated histories, each in a world of its own.

    Args:
        services: Who takes part; those that they consume from and that do not are played.
        examples: How many histories.
        seed: The same one generates the same.
    """
    seen = Observations()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        # What breaks is noted and not raised, so there is nothing to shrink.
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.data())
    def live(data: st.DataObject) -> None:
        with World(services, seen, draw=data.draw) as world:
            happenings = world.happenings()
            for _ in range(ROUNDS):
                for number in data.draw(st.permutations(range(len(happenings)))):
                    happenings[number]()

    live()
    return seen


def alone(package: str, templates: Mapping[str, Template], *, examples: int = 3) -> list[str]:
    """What breaks in a service by itself: its events against its contracts, its consumers with what they have locked.

    Args:
        package: Its import package.
        templates: Stack name → template, of any one stage.
        examples: How many histories.
    """
    services = [Participant(Contracts(package), templates)]
    return judged(execute(services, examples=examples), services)
