"""What happens to services while their contracts are executed: what each one's tests say of its surroundings.

A service says in `tests/contracts/inputs.py` what its callers send, as [Hypothesis](https://hypothesis.readthedocs.io) strategies:

    REQUESTS = (
        st.builds(Request, method=st.just("PUT"), path=shared("sku").map("/products/{}".format), body=PRODUCTS, …),
    )

and what it hears of services that are not at hand, because it is tested alone. They are played: by the examples of the locked
schemas, with fields generated, and at the time, that it says here:

    HEARD = (
        Heard(event="ProductChanged.v1", data={"sku": shared("sku")}),
        Heard(event="StockReserved.v1", after="StockReservationRequested.v1"),
    )
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service_contracts import Contracts

FILE: Final = "tests/contracts/inputs.py"
"""Where a service has them, below its folder."""

SHARED: Final = 3
"""So few of everything that has a name: what services say of a sku meets."""

_UNFILLED: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request to a service's API; one that it refuses is an input like any other.

    Attributes:
        method: The verb.
        path: The route's path; `{orderId}` is filled with an `orderId` that the service has answered with before, and
            until it has, the request is not sent.
        pick: Which of them, counted from the latest.
        body: As JSON; None for none.
        headers: Of the request.
        claims: Of the caller's verified token; None is a request without a token.
    """

    method: str
    path: str
    pick: int = 0
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] | None = None

    def filled(self, known: Mapping[str, list[str]]) -> str | None:
        """The path to send to.

        Args:
            known: What the service has answered with, by name, the latest last.

        Returns:
            None while something is not known.
        """
        names = _UNFILLED.findall(self.path)
        if not all(known.get(name) for name in names):
            return None
        return self.path.format(**{name: known[name][-1 - self.pick % len(known[name])] for name in names})


@dataclass(frozen=True, kw_only=True)
class Heard:
    """An event of a service that is not at hand.

    Attributes:
        event: Its detail type.
        data: Fields that are generated; the others are those of an example in the locked schema.
        after: Event, of either side, upon which it is told: it is caused by that one and has its fields of the same
            name; where several come after the same one, one of them does. None: it is told unasked, of an id of its own.
    """

    event: str
    data: Mapping[str, st.SearchStrategy[Any]] = field(default_factory=dict)
    after: str | None = None


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a service is told by those around it.

    Attributes:
        requests: Of its callers.
        heard: Of services that are not at hand; an event that it consumes and that is not here is told unasked.
    """

    requests: tuple[st.SearchStrategy[Request], ...] = ()
    heard: tuple[Heard, ...] = ()


def shared(name: str) -> st.SearchStrategy[str]:
    """One of the few names that every service uses for a kind of thing.

    Args:
        name: What it names, as in the events' data: `sku`.

    Returns:
        `SKU-0`, `SKU-1`, …
    """
    return st.sampled_from([f"{name.upper()}-{number}" for number in range(SHARED)])


def inputs_of(contracts: Contracts) -> Inputs:
    """A service's inputs, from its own tests; none if it has none.

    They are beside its package; where that is installed, in the folder that the tests run in.

    Args:
        contracts: Of the service.
    """
    places = (contracts.folder.parents[1] / FILE, Path.cwd() / FILE)
    path = next((place for place in places if place.exists()), None)
    if path is None:
        return Inputs()
    module = _module(path, f"inputs_of_{contracts.package}")
    return Inputs(requests=tuple(getattr(module, "REQUESTS", ())), heard=tuple(getattr(module, "HEARD", ())))


def _module(path: Path, name: str) -> Any:
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python module")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
