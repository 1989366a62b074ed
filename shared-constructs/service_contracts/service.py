"""A service's contracts: where they are, what they should say, and whether they say it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from service_runtime.envelope import published_events

from service_contracts import schemas
from service_contracts.asyncapi import asyncapi
from service_contracts.locks import Lock
from service_contracts.openapi import openapi
from service_contracts.routers import ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType

    from service_contracts.openapi import Template
    from service_contracts.schemas import Schema

ASYNCAPI: Final = "asyncapi.json"
OPENAPI: Final = "openapi.json"


class ContractError(AssertionError):
    """A committed contract is not what the code says, or an event is not what its contract says."""


@dataclass(frozen=True)
class Contracts:
    """The contracts of one service, beside its code.

    Attributes:
        package: The service's import package, `order_service`.
    """

    package: str

    @property
    def service(self) -> str:
        """The service's name, `order`."""
        return self.package.removesuffix("_service").replace("_", "-")

    @property
    def source(self) -> str:
        """The source of its events."""
        return f"commerce.{self.service}"

    @cached_property
    def folder(self) -> Path:
        """`<package>/contracts`.

        Raises:
            ContractError: There is no such package, or it has no contracts.
        """
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            raise ContractError(f"there is no package {self.package}; install the service in editable mode")
        return Path(spec.origin).parent / "contracts"

    @property
    def published_folder(self) -> Path:
        """Where its artefacts are."""
        return self.folder / "published"

    @property
    def released_folder(self) -> Path:
        """The artefacts as they were last released."""
        return self.published_folder / "released"

    @cached_property
    def lock(self) -> Lock:
        """What it consumes, as it was published when it was added."""
        return Lock(self.folder / "consumed")

    @cached_property
    def published(self) -> ModuleType:
        """The module with the models of its events."""
        return import_module(f"{self.package}.contracts.published")

    @cached_property
    def consumed(self) -> Mapping[str, Any]:
        """The models of what it reads, by detail type."""
        models: Mapping[str, Any] = import_module(f"{self.package}.contracts.consumed").CONSUMED
        return models

    @cached_property
    def events(self) -> dict[str, Schema]:
        """The schemas of its events as the models say them, by detail type."""
        return {
            detail_type: schemas.of_event(self.source, detail_type, model)
            for detail_type, model in published_events(self.published).items()
        }

    def committed(self) -> dict[str, Schema]:
        """The schemas of its events as they are committed, by detail type."""
        return _events_in(self.published_folder)

    def released(self) -> dict[str, Schema]:
        """The schemas of its events as they were last released, by detail type."""
        return _events_in(self.released_folder)

    def api(self) -> Schema | None:
        """The OpenAPI document as it is committed."""
        return _read(self.published_folder / OPENAPI)

    def released_api(self) -> Schema | None:
        """The OpenAPI document as it was last released."""
        return _read(self.released_folder / OPENAPI)

    def artefacts(self, templates: Iterable[Template]) -> dict[str, str]:
        """What should be committed, by file name; the same from the same code.

        Args:
            templates: The service's, of any stage.

        Raises:
            ContractError: An event has no example, or one that does not fit.
        """
        found = {f"{name}.json": schemas.text(schema) for name, schema in self.events.items()}
        for name, schema in self.events.items():
            self._check_examples(name, schema)
        events = asyncapi(self.service, published=self.events, consumed=self.lock.schemas())
        found[ASYNCAPI] = schemas.text(events)
        for template in templates:
            if document := openapi(template, service=self.service, routers=ask):
                found[OPENAPI] = schemas.text(document)
        return found

    def drift(self, wanted: Mapping[str, str]) -> list[str]:
        """Names of the committed files that are missing, stale or of nothing any more."""
        present = {path.name: path.read_text() for path in self.published_folder.glob("*.json")}
        return sorted(
            name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name)
        )

    def check(self, templates: Iterable[Template]) -> None:
        """Compare the committed artefacts with the code.

        Raises:
            ContractError: Names each file that differs, and the command that writes it.
        """
        if differing := self.drift(self.artefacts(templates)):
            raise ContractError(
                f"{', '.join(differing)} in {self.package}/contracts/published differ from the code; if the change is "
                f"meant, write them with `make contracts` (or `python -m service_contracts {self.package}`)"
            )

    def check_events(self) -> None:
        """The same for the events' schemas alone, which need no template.

        Raises:
            ContractError: As `check` does.
        """
        committed = {f"{name}.json": schemas.text(schema) for name, schema in self.committed().items()}
        wanted = {f"{name}.json": schemas.text(schema) for name, schema in self.events.items()}
        differing = sorted(
            name for name in wanted.keys() | committed.keys() if wanted.get(name) != committed.get(name)
        )
        if differing:
            raise ContractError(
                f"{', '.join(differing)} differ from the models in {self.published.__name__}; if the change is meant, "
                f"write them with `make contracts` (or `python -m service_contracts {self.package}`)"
            )

    def write(self, wanted: Mapping[str, str]) -> list[str]:
        """Write the artefacts that differ and remove those of nothing.

        Returns:
            Names of the files that have changed.
        """
        changed = self.drift(wanted)
        for name in changed:
            if name in wanted:
                (self.published_folder / name).write_text(wanted[name])
            else:
                (self.published_folder / name).unlink()
        return changed

    def check_event(self, envelope: Mapping[str, Any]) -> None:
        """Check an event as EventBridge delivers it against the committed schema of its type.

        Raises:
            ContractError: The service publishes no such type, or the data do not fit; says where.
        """
        detail_type, committed = envelope["detail-type"], self.committed()
        if detail_type not in committed:
            raise ContractError(
                f"{self.package} publishes {', '.join(committed) or 'nothing'}, not {detail_type}"
            )
        if found := schemas.faults(committed[detail_type], envelope["detail"]["data"]):
            raise ContractError(f"{detail_type} does not fit its schema: {'; '.join(found)}")

    def _check_examples(self, name: str, schema: Schema) -> None:
        examples = schema.get("examples", ())
        if not examples:
            raise ContractError(
                f"{self.package} publishes {name} without an example; give its model "
                'model_config = ConfigDict(json_schema_extra={"examples": [{…}]})'
            )
        for example in examples:
            if found := schemas.faults(schema, example):
                raise ContractError(f"an example of {name} does not fit it: {'; '.join(found)}")


def _events_in(folder: Path) -> dict[str, Schema]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.v*.json"))}


def _read(path: Path) -> Schema | None:
    return json.loads(path.read_text()) if path.exists() else None
