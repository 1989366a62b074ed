"""An execution's history, which is written when it is read.

A workflow under load makes thousands of events a second that nobody looks at. Each is kept as a few bytes that the
garbage collector need not go through, with the data of its state as it was then: later changes do not reach it.
"""

from __future__ import annotations

import json
import marshal
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Event = dict[str, Any]

_VALUE, _TEXT = b"v", b"t"


def told(value: Any) -> bytes | str:
    """Keep a JSON value, to be told as text.

    Args:
        value: Any JSON value.

    Returns:
        What a `History` takes for the value's text; the text itself where the value is of other types.
    """
    try:
        return _VALUE + marshal.dumps(value)
    except ValueError:
        return json.dumps(value)


def told_again(text: str) -> bytes:
    """Keep JSON text, to be told as the engine writes it, whatever its white space."""
    return _TEXT + text.encode()


def _written(kept: bytes) -> str:
    data = kept[1:]
    return json.dumps(marshal.loads(data) if kept[:1] == _VALUE else json.loads(data))  # noqa: S302 - by `told`


class History:
    """Events in order, for their readers a sequence of dictionaries.

    Args:
        events: Those that there are already.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._kept: list[bytes] = [marshal.dumps(event) for event in events]

    def append(self, event: Event) -> None:
        """Add an event, its input and output as text or as `told` gives them."""
        self._kept.append(marshal.dumps(event))

    def __len__(self) -> int:
        """How many events there are."""
        return len(self._kept)

    def __iter__(self) -> Iterator[Event]:
        """Read them all, as of now."""
        return map(_read, list(self._kept))

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        """Read one or some."""
        if isinstance(index, slice):
            return [_read(each) for each in self._kept[index]]
        return _read(self._kept[index])


def _read(kept: bytes) -> Event:
    event: Event = marshal.loads(kept)  # noqa: S302 - by `History`
    for details in event.values():
        if isinstance(details, dict):
            details.update(
                {name: _written(value) for name, value in details.items() if isinstance(value, bytes)}
            )
    return event
