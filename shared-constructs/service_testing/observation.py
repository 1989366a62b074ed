"""What a request does to a deployed service: its response, its calls, and what tables and queues hold afterwards."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from service_testing.aws import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from apigateway_engine import HttpResponse

    from service_testing.deployment import Deployment

CANARY: Final = "canary-7f3a"
"""Keys and secret of an item of another owner, one in each table."""
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_EPOCH = re.compile(r"\b\d{10}(?:\d{3})?\b")


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What came of a request.

    Attributes:
        before: What tables and queues held.
        left: What they hold now.
        leaves: Path → value of everything that can be seen: the response, the calls made, what is left.
        ignored: Paths that are the route's own (ids, times).
    """

    response: HttpResponse
    before: Any
    left: Any
    leaves: Mapping[tuple[Any, ...], Any]
    ignored: frozenset[tuple[Any, ...]] = frozenset()

    def difference(self, other: Observation, harmless: str, value: str, *, as_given: bool) -> str | None:
        """What differs in an outcome beyond the hostile value in the place of the harmless one.

        Args:
            other: What came of the hostile value.
            harmless: The text in the probe's field.
            value: The hostile one in its place.
            as_given: The field had no text to look for (a number, a further name), so the hostile value itself may show.
        """
        expected = {
            _in_place(path, harmless, value): _in_place(leaf, harmless, value)
            for path, leaf in self.leaves.items()
            if path not in self.ignored
        }
        ignored = {_in_place(path, harmless, value) for path in self.ignored}
        found = {path: leaf for path, leaf in other.leaves.items() if path not in ignored}
        for path in sorted(expected.keys() | found.keys(), key=repr):
            if as_given and found.get(path, expected.get(path)) == value:
                continue
            if path[0] == "response":
                # A read may find nothing for another value; what it does return must be right.
                if path in expected and path in found and not _same(expected[path], found[path]):
                    return f"{_dotted(path)} is {found[path]!r}, not {expected[path]!r}"
            elif path not in found:
                return f"{_dotted(path)} is missing, it should be {expected[path]!r}"
            elif path not in expected:
                return f"{_dotted(path)} = {found[path]!r} should not be there"
            elif not _same(expected[path], found[path]):
                return f"{_dotted(path)} is {found[path]!r}, not {expected[path]!r}"
        return None


class Ledger:
    """What tables and queues hold, how it was, and back again; with a canary in each table meanwhile.

    It asks moto's own stores: thousands of scans and receives as requests took most of the tests' time.

    Args:
        deployment: Whose tables and queues.
        prepare: Brings them into the state that every request is to find.
    """

    def __init__(self, deployment: Deployment, prepare: Callable[[Deployment], object] | None) -> None:
        self.deployment = deployment
        self._dynamodb = dynamodb_backends[ACCOUNT][REGION]
        sqs = sqs_backends[ACCOUNT][REGION]
        self._tables = {
            table.ref: [key["AttributeName"] for key in table.properties["KeySchema"]]
            for table in deployment.resources("AWS::DynamoDB::")
        }
        self._queues = {
            queue.ref: sqs.queues[queue.ref.rpartition("/")[2]]
            for queue in deployment.resources("AWS::SQS::Queue")
        }
        self.read()
        self._original = self._present
        self._wanted = {
            name: [*items, {key: {"S": CANARY} for key in [*self._tables[name], "secret"]}]
            for name, items in self._present.items()
        }
        self.restore()
        if prepare is not None:
            prepare(deployment)
            self.read()
            self._wanted = self._present

    def observe(self, send: Callable[[Deployment], HttpResponse]) -> Observation:
        """Bring everything back, send a request and see what comes of it."""
        before = self.restore()
        self.deployment.calls.clear()
        response = send(self.deployment)
        left = self.read()
        calls = [
            {"service": call.service, "action": call.action, "path": call.path, "body": _tree(call.body)}
            for call in self.deployment.calls
        ]
        seen = {"response": _tree(response.body), "calls": calls, "left": left}
        return Observation(response=response, before=before, left=left, leaves=dict(leaves(seen)))

    def read(self) -> dict[str, Any]:
        """Everything that is there now, items by their keys."""
        self._present = {name: self._items(name) for name in self._tables}
        self._bodies = {
            url: sorted(message.body for message in queue.messages) for url, queue in self._queues.items()
        }
        return self._contents()

    def restore(self) -> dict[str, Any]:
        """Bring everything back, from what was last read, and give it."""
        for name, wanted in self._wanted.items():
            present = self._present[name]
            for item in (item for item in present if item not in wanted):
                self._dynamodb.delete_item(name, {key: item[key] for key in self._tables[name]})
            for item in (item for item in wanted if item not in present):
                self._dynamodb.put_item(name, item)
        for url in (url for url, bodies in self._bodies.items() if bodies):
            self._queues[url]._messages.clear()  # noqa: SLF001  # a queue is purged once a minute at most
        self._present = self._wanted
        self._bodies = {url: [] for url in self._queues}
        return self._contents()

    def close(self) -> None:
        """Bring everything back and take the canaries away."""
        self._wanted = self._original
        self.restore()

    def _items(self, table: str) -> list[dict[str, Any]]:
        return [item.to_json()["Attributes"] for item in self._dynamodb.get_table(table).all_items()]

    def _contents(self) -> dict[str, Any]:
        def key(name: str, item: Mapping[str, Any]) -> str:
            return " ".join(str(next(iter(item[attribute].values()))) for attribute in self._tables[name])

        return {
            "tables": {
                name: {key(name, item): item for item in items} for name, items in self._present.items()
            },
            "queues": {url: [_tree(body) for body in bodies] for url, bodies in self._bodies.items()},
        }


# Trees ----------------------------------------------------------------------------------------------------------------


def _tree(text: str) -> Any:
    """JSON inside JSON decoded as far as it goes, forms as objects, other text as it is."""
    try:
        decoded = json.loads(text)
    except ValueError:
        form = parse_qs(text, keep_blank_values=True) if "Action=" in text else None
        return {name: _tree(values[0]) for name, values in form.items()} if form else text
    return _nested(decoded) if isinstance(decoded, dict | list) else text


def _nested(value: Any) -> Any:
    if isinstance(value, dict):
        # What a workflow or an event is given is JSON in a string; other strings are the caller's and stay whole.
        return {
            k: _tree(v) if k in ("input", "Detail") and isinstance(v, str) else _nested(v)
            for k, v in value.items()
        }
    return [_nested(item) for item in value] if isinstance(value, list) else value


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value in a tree of JSON with the keys and indexes that lead to it."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def _in_place(found: Any, harmless: str, value: str) -> Any:
    if isinstance(found, tuple):
        return tuple(_in_place(part, harmless, value) for part in found)
    return found.replace(harmless, value) if harmless and isinstance(found, str) else found


def _same(expected: Any, found: Any) -> bool:
    """Equal but for identifiers and times, which differ from request to request."""
    return bool(expected == found) or _without_volatile(expected) == _without_volatile(found)


def _without_volatile(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _without_volatile(str(value))
    if not isinstance(value, str):
        return value
    for pattern in (_UUID, _TIME, _EPOCH):
        value = pattern.sub("*", value)
    return value


def _dotted(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))
