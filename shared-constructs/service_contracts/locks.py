"""What a service consumes: copies of its producers' published schemas, locked by their digests.

With them a service needs nobody else's code: its consumers are checked against the copies in its own repository, and the
copies against what the producers publish now wherever both are at hand.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import urlopen

from service_contracts import schemas

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from service_contracts.schemas import Schema

LOCK: Final = "contracts.lock.json"
SECONDS: Final = 10

_NAME: Final = re.compile(r"(commerce\.[a-z][a-z0-9-]*)/([A-Z][A-Za-z0-9]*\.v[1-9][0-9]*)")


class LockError(ValueError):
    """A copy cannot be made, is missing or was changed; says what to do."""


def digest(schema: Mapping[str, Any]) -> str:
    """What a schema is locked by: `sha256:` and the digest of its content, however it is laid out."""
    canonical = json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def parse(name: str) -> tuple[str, str]:
    """Source and detail type of `commerce.order/OrderConfirmed.v1`.

    Raises:
        LockError: It is written otherwise.
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise LockError(
            f"an event is called <source>/<Fact>.v<major>, as in commerce.order/OrderConfirmed.v1; got {name!r}"
        )
    return match[1], match[2]


@dataclass(frozen=True)
class Lock:
    """The copies in a service's `contracts/consumed`.

    Attributes:
        folder: Where they are.
    """

    folder: Path

    @property
    def path(self) -> Path:
        """The lock file."""
        return self.folder / LOCK

    def entries(self) -> list[dict[str, str]]:
        """`{"name", "version", "digest"}` of each copy, sorted by name."""
        found: list[dict[str, str]] = (
            json.loads(self.path.read_text())["contracts"] if self.path.exists() else []
        )
        return found

    def copy(self, source: str, detail_type: str) -> Path:
        """Where the copy of an event's schema is."""
        return self.folder / f"{source}.{detail_type}.json"

    def schemas(self) -> dict[tuple[str, str], Schema]:
        """The copies, by source and detail type.

        Raises:
            LockError: One is missing.
        """
        found = {}
        for entry in self.entries():
            path = self.copy(*parse(entry["name"]))
            if not path.exists():
                raise LockError(f"{path.name} is locked but missing; {_again(entry['name'])}")
            found[parse(entry["name"])] = json.loads(path.read_text())
        return found

    def faults(self) -> Iterator[str]:
        """What is wrong with copies and lock as they are committed: missing, changed by hand, or in no lock."""
        entries = self.entries()
        for entry in entries:
            path = self.copy(*parse(entry["name"]))
            if not path.exists():
                yield f"{path.name} is locked but missing; {_again(entry['name'])}"
            elif digest(json.loads(path.read_text())) != entry["digest"]:
                yield f"{path.name} is not what was locked: copies are not edited; {_again(entry['name'])}"
        known = {self.copy(*parse(entry["name"])).name for entry in entries} | {LOCK}
        for path in sorted(self.folder.glob("*.json")):
            if path.name not in known:
                yield f"{path.name} is in no lock; remove it or add it with `make contract-add`"

    def add(self, schema: Schema) -> Path:
        """Copy a published schema and lock it, in place of an older copy.

        Args:
            schema: As its producer published it.

        Returns:
            The copy.

        Raises:
            LockError: It is not a published event's schema.
        """
        name = str(schema.get("$id", ""))
        path = self.copy(*parse(name))
        self.folder.mkdir(parents=True, exist_ok=True)
        path.write_text(schemas.text(schema))
        others = [entry for entry in self.entries() if entry["name"] != name]
        version = name.rpartition(".v")[2]
        entry = {"name": name, "version": version, "digest": digest(schema)}
        entries = sorted([*others, entry], key=lambda each: each["name"])
        self.path.write_text(schemas.text({"contracts": entries}))
        return path


def fetch(name: str, origin: str) -> Schema:
    """Read a published schema from a folder or a URL.

    Args:
        name: `commerce.order/OrderConfirmed.v1`.
        origin: The producer's `contracts/published`: a folder's path, or a URL that the file's name is appended to.

    Raises:
        LockError: There is none, or it is of another event; a folder's are listed.
    """
    _, detail_type = parse(name)
    text = _download(name, origin) if urlsplit(origin).scheme in {"http", "https"} else _read(name, origin)
    try:
        schema: Schema = json.loads(text)
    except ValueError as error:
        raise LockError(f"{origin} has no JSON under {detail_type}.json: {error}") from error
    if schema.get("$id") != name:
        raise LockError(
            f"{detail_type}.json in {origin} is the schema of {schema.get('$id')!r}, not of {name}"
        )
    return schema


def _download(name: str, origin: str) -> str:
    address = f"{origin.rstrip('/')}/{parse(name)[1]}.json"
    try:
        with urlopen(address, timeout=SECONDS) as answer:  # noqa: S310 - http or https, as checked
            text: str = answer.read().decode()
    except (OSError, ValueError) as error:
        raise LockError(f"{address} could not be read: {error}") from error
    return text


def _read(name: str, origin: str) -> str:
    path = Path(origin) / f"{parse(name)[1]}.json"
    if not path.exists():
        there = ", ".join(sorted(each.stem for each in path.parent.glob("*.v*.json"))) or "no event"
        raise LockError(f"{origin} publishes no {parse(name)[1]}; there is {there}")
    return path.read_text()


def _again(name: str) -> str:
    return f"take it again: make contract-add SERVICE=… EVENT={name}"
