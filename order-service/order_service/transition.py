"""What a change of an order's status writes: one place for the saga, what interrupts it, and the API."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from states_language.definition import Definition, load
from states_language.item_update import ItemUpdate


def written(
    to: str, *, by: str, at: Any, in_shard: Callable[[str], Any], sort_key: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes that say an order's status, and the entry of its timeline, in whatever notation the values have.

    Args:
        to: The status.
        by: The service whose doing it is.
        at: The time.
        in_shard: Adds the first digit of the order's id to a text. Orders of one status are spread over 16 partitions
            of the index: every order starts PLACED, and one partition takes 1,000 writes a second at most.
        sort_key: Orders of this status are listed by it: the time, and the order's id.
    """
    return (
        {"status": to, "gsi2pk": in_shard(f"STATUS#{to}#"), "gsi2sk": sort_key},
        {"at": at, "status": to, "service": by},
    )


def transition(
    to: str,
    *,
    by: str,
    cause: str | None = None,
    reason: str | None = None,
    detail: str | None = None,
    by_way_of: Sequence[tuple[str, str]] = (),
) -> ItemUpdate:
    """A change of status by a workflow that has the order's id in `$orderId`; the further values are JSONata.

    Args:
        to: The status.
        by: The service whose doing it is.
        cause: Id of the event that it answers; default the one before.
        reason: Why the order ends, a code; default none.
        detail: The same in the timeline, at more length; default none.
        by_way_of: Statuses that the same write passes through, each with the service whose doing it is; in the timeline
            they were reached when the state was entered. Default none.
    """
    values, entry = written(
        to,
        by=by,
        at="{% $now() %}",
        in_shard=lambda prefix: f"{{% '{prefix}' & $substring($orderId, 0, 1) %}}",
        sort_key="{% $now() & '#' & $orderId %}",
    )
    further = {"causationId": cause, "reason": reason}
    values |= {name: f"{{% {value} %}}" for name, value in further.items() if value}
    entry |= {"detail": f"{{% {detail} %}}"} if detail else {}
    entered = "{% $states.context.State.EnteredTime %}"
    passed = [{"at": entered, "status": status, "service": service} for status, service in by_way_of]
    return ItemUpdate(
        values=_typed(values), append={"timeline": [{"M": _typed(each)} for each in (*passed, entry)]}
    )


def write(change: ItemUpdate) -> Definition:
    """The arguments of a state that changes the order by one conditional write."""
    return change.added_to(load(Path(__file__).with_name("transition.asl.yaml")))


def _typed(values: dict[str, str]) -> dict[str, Any]:
    return {name: {"S": value} for name, value in values.items()}
