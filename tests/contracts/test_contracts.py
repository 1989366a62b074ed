"""What consumers read is what producers promise: every consumed model against the producer's committed schema."""

from __future__ import annotations

import json
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
from service_runtime.envelope import published_events

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name.removesuffix("-service") for path in ROOT.glob("*-service/pyproject.toml"))


def contracts(service, side):
    package = f"{service}_service.contracts.{side}"
    return import_module(package) if find_spec(package) else ModuleType(package)


PUBLISHED = {
    detail_type: json.loads(
        (ROOT / f"{service}-service/{service}_service/contracts/published/{detail_type}.json").read_text()
    )
    for service in SERVICES
    for detail_type in published_events(contracts(service, "published"))
}
CONSUMED = [
    (service, detail_type, model)
    for service in SERVICES
    for detail_type, model in getattr(contracts(service, "consumed"), "CONSUMED", {}).items()
]


def resolved(schema, root):
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def unmet(wanted, promised, roots, where="data"):
    """What a consumer wants that its producer does not promise."""
    wanted, promised = resolved(wanted, roots[0]), resolved(promised, roots[1])
    if wanted.get("type") != promised.get("type"):
        yield f"{where} is {promised.get('type')}, not {wanted.get('type')}"
    if "enum" in wanted and not set(promised.get("enum", [promised.get("const")])) <= set(wanted["enum"]):
        yield f"{where} can be one of {promised.get('enum')}, read are only {wanted['enum']}"
    for name in wanted.get("required", ()):
        if name not in promised.get("required", ()):
            yield f"{where}.{name} is not promised"
    for name, inner in wanted.get("properties", {}).items():
        if name in promised.get("properties", {}):
            yield from unmet(inner, promised["properties"][name], roots, f"{where}.{name}")
    if "items" in wanted and "items" in promised:
        yield from unmet(wanted["items"], promised["items"], roots, f"{where}[]")


def test_every_service_has_contracts():
    assert {service for service, _, _ in CONSUMED} == {"cart", "inventory", "order", "payment"}
    assert len(PUBLISHED) >= 15


@pytest.mark.parametrize(
    ("service", "detail_type", "model"), CONSUMED, ids=[f"{s} {d}" for s, d, _ in CONSUMED]
)
def test_a_consumer_reads_only_what_is_promised(service, detail_type, model):
    assert detail_type in PUBLISHED, f"{service} waits for {detail_type}, which nobody publishes"
    schema, promised = model.model_json_schema(by_alias=True, mode="validation"), PUBLISHED[detail_type]
    assert list(unmet(schema, promised, (schema, promised))) == []


def test_a_broken_promise_is_found():
    wanted = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
    promised = {"type": "object", "required": [], "properties": {"a": {"type": "string"}}}
    assert len(list(unmet(wanted, promised, (wanted, promised)))) == 2


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_declared_to_be_published_is_what_the_change_feed_makes(service, definitions):
    declared = {event.detail_type for event in import_module(f"{service}_service.events").EVENTS}
    made = set(re.findall(r"\$event\('(\w+\.v\d+)'", json.dumps(definitions[service])))
    promised = set(published_events(contracts(service, "published")))
    assert made == promised
    assert declared <= made, "the requests of a saga are declared where it waits for the reply"
