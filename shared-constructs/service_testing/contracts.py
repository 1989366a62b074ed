"""The events a service publishes: JSON Schemas committed beside their models, and whether an event keeps to them.

A service's models lie in `<service>/contracts/published/__init__.py`, each a `PublishedEvent`. The schemas are generated, committed and compared, so that a change of a contract is a change in
review:

    python -m service_testing.contracts product_service.contracts.published
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
from service_runtime.envelope import published_events

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class ContractError(AssertionError):
    """A committed schema is not what its model says, or an event is not what its schema says."""


def schemas(package: ModuleType) -> dict[Path, str]:
    """The schema files that a package's published models call for, and their text.

    Args:
        package: The module with the models.
    """
    folder = Path(str(package.__file__)).parent
    return {
        folder / f"{detail_type}.json": _schema(detail_type, model)
        for detail_type, model in published_events(package).items()
    }


def check_schemas(package: ModuleType) -> None:
    """Compare the committed schemas with the models.

    Raises:
        ContractError: Names each file that is missing, stale or of no model any more, and the command that mends it.
    """
    wanted = schemas(package)
    present = {path: path.read_text() for path in Path(str(package.__file__)).parent.glob("*.json")}
    wrong = sorted(
        path.name for path in wanted.keys() | present.keys() if wanted.get(path) != present.get(path)
    )
    if wrong:
        raise ContractError(
            f"{', '.join(wrong)} differ from the models in {package.__name__}; if the change is meant and compatible, "
            f"run: python -m service_testing.contracts {package.__name__}"
        )


def check_event(package: ModuleType, envelope: Mapping[str, Any]) -> None:
    """Check an event as EventBridge delivers it against the committed schema of its type.

    Raises:
        ContractError: The package publishes no such type, or the data does not fit; says where.
    """
    detail_type = envelope["detail-type"]
    published = published_events(package)
    if detail_type not in published:
        raise ContractError(f"{package.__name__} publishes {', '.join(published)}, not {detail_type}")
    schema = json.loads((Path(str(package.__file__)).parent / f"{detail_type}.json").read_text())
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    faults = [
        f"{error.json_path}: {error.message}" for error in validator.iter_errors(envelope["detail"]["data"])
    ]
    if faults:
        raise ContractError(f"{detail_type} does not fit its schema: {'; '.join(faults)}")


def write_schemas(package: ModuleType) -> list[Path]:
    """Write the schemas beside the models and remove those of no model; the files written."""
    wanted = schemas(package)
    for stale in set(Path(str(package.__file__)).parent.glob("*.json")) - wanted.keys():
        stale.unlink()
    for path, text in wanted.items():
        path.write_text(text)
    return list(wanted)


def _schema(detail_type: str, model: Any) -> str:
    schema = {"$schema": DIALECT, "$id": detail_type, **model.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for written in write_schemas(import_module(name)):
            print(written)  # noqa: T201 - a command's output
