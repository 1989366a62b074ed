"""What the local cloud has counted, and how much of it a run is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests

from storefront.client import StorefrontError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storefront.client import Commerce

PATH = "/_commerce/usage"
QUIET_SECONDS = 1.0
POLL_SECONDS = 0.25
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Reading:
    """Counts since the start.

    Attributes:
        counts: Quantities by name.
        cpu: Processor seconds of `emulator` and `workers`; none on a system that does not tell.
    """

    counts: Mapping[str, float]
    cpu: Mapping[str, float] | None

    def since(self, before: Reading, orders: int) -> tuple[dict[str, float], dict[str, float] | None]:
        """Quantities and processor seconds per order since an earlier reading; nothing of no order."""
        if not orders:
            return {}, None
        counts = {name: (count - before.counts.get(name, 0)) / orders for name, count in self.counts.items()}
        used = {name: count for name, count in counts.items() if count}
        if self.cpu is None or before.cpu is None:
            return used, None
        return used, {name: (spent - before.cpu[name]) / orders for name, spent in self.cpu.items()}


@dataclass(frozen=True)
class Metering:
    """The local cloud's own account of what it does.

    Attributes:
        commerce: What runs on it.
    """

    commerce: Commerce
    _session: requests.Session = field(default_factory=requests.Session, repr=False)

    def __post_init__(self) -> None:
        self._session.trust_env = False

    def _ask(self, what: str = "") -> Any:
        url = f"{self.commerce.endpoints['endpointUrl']}{PATH}{what}"
        answer = self._session.get(url, timeout=TIMEOUT_SECONDS)
        if answer.status_code != HTTPStatus.OK:
            raise StorefrontError(
                "This cloud does not count what it does.",
                "make bench makes one that does, with COMMERCE_METERING=1.",
            )
        return answer.json()

    def begin(self) -> Reading:
        """Read, so that nothing of the reading itself is in the processor time."""
        counts = self._counts()
        return Reading(counts, self._ask("/cpu"))

    def end(self) -> Reading:
        """Read, so that nothing of the reading itself is in the processor time."""
        cpu = self._ask("/cpu")
        return Reading(self._counts(), cpu)

    def _counts(self) -> dict[str, float]:
        account = self.commerce.account("order")
        counts: dict[str, float] = self._ask().get(account, {})
        return counts

    def by_resource(self) -> dict[str, dict[str, dict[str, float]]]:
        """What each resource has used since the start, by account."""
        found: dict[str, dict[str, dict[str, float]]] = self._ask("/resources")
        return found

    def settle(self, seconds: float) -> bool:
        """Wait until nothing has gone on for a second, which disturbs less than looking at every order.

        Args:
            seconds: For how long at most.

        Returns:
            Whether it was quiet in time.
        """
        deadline = time.monotonic() + seconds
        last, since = self._ask("/work"), time.monotonic()
        while time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            now = self._ask("/work")
            if now != last or now["running"]:
                last, since = now, time.monotonic()
            elif time.monotonic() - since >= QUIET_SECONDS:
                return True
        return False
