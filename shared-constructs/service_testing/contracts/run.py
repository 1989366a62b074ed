"""Run services together for a number of generated histories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import hypothesis
from hypothesis import strategies as st

from service_testing.contracts.observations import Observations
from service_testing.contracts.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from service_testing.contracts.participants import Participant

HISTORIES: Final = 10
"""As many as a pull request waits for; they meet every event several times."""

ROUNDS: Final = 4
"""How often a history has each kind of request, in an order of its own: enough to bring an order to each of its ends."""


def execute(
    services: Sequence[Participant],
    *,
    examples: int,
    seed: int = 0,
    told: Callable[[], object] = lambda: None,
) -> Observations:
    """Let services live through generated histories, each in a world of its own.

    Args:
        services: Who takes part.
        examples: How many histories.
        seed: The same one generates the same.
        told: Called after each history.
    """
    seen = Observations()
    kinds = [(service, each) for service in services for each in service.inputs.requests]

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
        with World(services, seen) as world:
            for _ in range(ROUNDS):
                for kind in data.draw(st.permutations(range(len(kinds)))):
                    service, request = kinds[kind]
                    world.send(service, data.draw(request))
        told()

    live()
    return seen
