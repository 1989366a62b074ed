"""The services' contracts as they are committed, and who breaks when one of them is changed."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import jsonschema
import openapi_spec_validator
import pytest
from pydantic import Field
from service_contracts import ContractError, Contracts, control, schemas
from service_runtime.envelope import PublishedEvent, WireModel

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name.removesuffix("-service") for path in ROOT.glob("*-service/pyproject.toml"))
STORY = ("cart", "inventory", "order", "payment", "product")
"""The services that the changes below are told of; whatever else is here keeps out of them."""

ASYNCAPI = ROOT / "node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"


@dataclass(frozen=True)
class Changed(Contracts):
    """A service's contracts with some of them replaced, in place of a change of its code.

    Attributes:
        new_events: Schemas of the data by detail type; None for one that is not published any more.
        new_consumed: Models of what is read, by detail type.
    """

    new_events: dict[str, schemas.Schema | None] = field(default_factory=dict)
    new_consumed: dict[str, type[WireModel]] = field(default_factory=dict)

    @property
    def events(self):
        every = {**Contracts(self.package).events, **self.new_events}
        return {name: schema for name, schema in every.items() if schema}

    @property
    def consumed(self):
        return {**Contracts(self.package).consumed, **self.new_consumed}


def published_api(service):
    document = Contracts(f"{service}_service").folder / "published" / "openapi.json"
    return json.loads(document.read_text())


def services(*changed):
    """The services of the story, some of them changed."""
    by_package = {each.package: each for each in changed}
    return [by_package.get(f"{each}_service", Contracts(f"{each}_service")) for each in STORY]


def publishing(service, detail_type, edit=None, *, schema=None):
    """A service that publishes an event otherwise."""
    schema = copy.deepcopy(schema or Contracts(f"{service}_service").events[detail_type])
    if edit:
        edit(schema)
    return Changed(f"{service}_service", new_events={detail_type: schema})


def reading(service, detail_type, model):
    """A service that reads an event otherwise."""
    return Changed(f"{service}_service", new_consumed={detail_type: model})


def faults(*changed):
    return control.check(services(*changed)).faults


# As they are -----------------------------------------------------------------------------------------------------------
def test_what_is_committed_is_kept():
    report = control.check([Contracts(f"{service}_service") for service in SERVICES])
    assert report.faults == []
    assert report.notices == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_published_file_is_a_valid_document(service):
    contracts = Contracts(f"{service}_service")
    for schema in contracts.committed().values():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert [fault for example in schema["examples"] for fault in schemas.faults(schema, example)] == []
    openapi_spec_validator.validate(published_api(service))
    document = json.loads((contracts.published_folder / "asyncapi.json").read_text())
    jsonschema.Draft7Validator(json.loads(ASYNCAPI.read_text())).validate(document)


@pytest.mark.parametrize("service", SERVICES)
def test_every_reference_within_a_document_leads_somewhere(service):
    for name in ("asyncapi.json", "openapi.json"):
        document = json.loads((Contracts(f"{service}_service").published_folder / name).read_text())
        references = [part["$ref"] for part in schemas.walk(document) if isinstance(part.get("$ref"), str)]
        assert references
        for reference in references:
            assert schemas.resolved({"$ref": reference}, document)


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_answers_errors_in_one_shape(service):
    for operations in published_api(service)["paths"].values():
        for operation in operations.values():
            problems = {status: each for status, each in operation["responses"].items() if status >= "400"}
            assert {"400", "429", "500", "503"} <= problems.keys()
            for response in problems.values():
                assert response["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                }


def test_a_file_that_has_drifted_is_named_with_the_command():
    contracts = publishing(
        "order", "OrderFulfilled.v1", lambda schema: schema.update(description="Otherwise.")
    )
    with pytest.raises(ContractError, match=r"OrderFulfilled.v1.json differ.*make contracts"):
        contracts.check_events()


def test_an_event_without_an_example_is_not_published():
    contracts = publishing("order", "OrderFulfilled.v1", lambda schema: schema.pop("examples"))
    with pytest.raises(ContractError, match=r"publishes OrderFulfilled.v1 without an example"):
        contracts.artefacts([])


# A producer changes ----------------------------------------------------------------------------------------------------
def rename(schema, old, new):
    schema["properties"][new] = schema["properties"].pop(old)
    schema["required"] = [new if name == old else name for name in schema["required"]]


def told(found, *parts):
    assert any(all(part in fault for part in parts) for fault in found), found


def test_a_renamed_field_breaks_who_reads_it():
    found = faults(publishing("order", "OrderConfirmed.v1", lambda s: rename(s, "customerId", "customer")))
    told(found, "commerce.order/OrderConfirmed.v1", "data.customerId is not promised", "breaks cart-service;")
    told(found, "cart-service breaks on commerce.order/OrderConfirmed.v1: data.customerId is not promised")
    assert not any("inventory-service breaks" in fault for fault in found), "it reads the order's id alone"


def test_another_type_breaks_who_reads_the_field():
    found = faults(
        publishing("inventory", "StockLow.v1", lambda s: s["properties"].update(available={"type": "string"}))
    )
    told(
        found,
        "order-service breaks on commerce.inventory/StockLow.v1",
        "data.available is string, not integer",
    )


def test_a_value_that_is_dropped_or_added_breaks_who_knows_the_others():
    def statuses(*values):
        return lambda schema: schema["properties"]["status"].update(enum=list(values))

    dropped = faults(publishing("product", "ProductChanged.v1", statuses("ACTIVE")))
    told(dropped, "data.status lost values", "RETIRED", "breaks cart-service, order-service")
    added = faults(publishing("product", "ProductChanged.v1", statuses("ACTIVE", "RETIRED", "SEASONAL")))
    told(added, "cart-service breaks", "data.status can be SEASONAL, read are only ACTIVE, RETIRED")
    told(added, "order-service breaks", "data.status can be SEASONAL")


def test_a_field_that_nobody_here_reads_is_still_a_promise():
    found = faults(publishing("product", "ProductChanged.v1", lambda s: rename(s, "category", "kind")))
    told(found, "data.category is not promised", "no consumer here reads it", "next major")


def test_an_event_that_is_not_published_any_more_breaks_its_consumers():
    gone = Changed("payment_service", new_events={"PaymentDeclined.v1": None})
    told(faults(gone), "commerce.payment/PaymentDeclined.v1 is published no more, but read by order-service")


def test_an_event_without_consumers_retires_with_a_notice():
    gone = Changed("payment_service", new_events={"PaymentRefunded.v1": None})
    report = control.check(services(gone))
    assert report.faults == []
    told(report.notices, "PaymentRefunded.v1 is retired")


def test_a_new_field_is_additive_and_its_consumers_may_take_a_newer_copy():
    def add(schema):
        schema["properties"]["weightGrams"] = {"type": "integer"}

    unreleased = control.check(services()).changes
    report = control.check(services(publishing("order", "OrderConfirmed.v1", add)))
    assert report.faults == []
    assert report.changes == unreleased | {"commerce.order/OrderConfirmed.v1": "additive"}
    told(report.notices, "cart-service has locked an older commerce.order/OrderConfirmed.v1")


class OrderConfirmedV2(PublishedEvent, major=2):
    """The next major."""

    order_id: str


def test_two_majors_stand_side_by_side_and_the_old_one_is_reported_until_nobody_reads_it():
    schema = schemas.of_event("commerce.order", "OrderConfirmed.v2", OrderConfirmedV2)
    report = control.check(services(publishing("order", "OrderConfirmed.v2", schema=schema)))
    assert report.faults == []
    told(
        report.notices, "OrderConfirmed.v1 is superseded by v2, still read by cart-service, inventory-service"
    )

    lonely = schemas.of_event("commerce.payment", "PaymentRefunded.v2", OrderConfirmedV2)
    report = control.check(services(publishing("payment", "PaymentRefunded.v2", schema=lonely)))
    told(report.notices, "PaymentRefunded.v1 is superseded by v2, read by nobody here: remove it")


# A consumer changes ----------------------------------------------------------------------------------------------------
def test_a_consumer_that_reads_what_is_never_sent_breaks():
    class Product(WireModel):
        sku: str
        weight_grams: int | None = None

    told(
        faults(reading("cart", "ProductChanged.v1", Product)),
        "cart-service breaks on commerce.product/ProductChanged.v1 as locked: data.weightGrams is read but never sent",
    )


def test_a_consumer_that_insists_on_more_than_is_promised_breaks():
    class Product(WireModel):
        sku: Annotated[str, Field(max_length=12)]
        status: Literal["ACTIVE"]
        image_url: str

    found = faults(reading("order", "ProductChanged.v1", Product))
    told(found, "order-service breaks", "data.sku has maxLength 64, read is only maxLength 12")
    told(found, "order-service breaks", "data.status can be RETIRED, read are only ACTIVE")
    told(found, "order-service breaks", "data.imageUrl is not promised")


def test_a_consumer_of_an_event_without_a_copy_is_told_how_to_get_one():
    class Anything(WireModel):
        order_id: str

    told(
        faults(reading("cart", "OrderPlaced.v1", Anything)),
        "cart-service reads OrderPlaced.v1 and has locked no copy of it: make contract-add SERVICE=cart-service",
    )


# An API changes --------------------------------------------------------------------------------------------------------
def test_a_route_that_is_gone_breaks_its_callers(monkeypatch):
    document = published_api("order")
    document["paths"].pop("/orders/{orderId}/cancellation")
    monkeypatch.setattr(Contracts, "api", lambda self: document if self.service == "order" else None)
    monkeypatch.setattr(
        Contracts, "released_api", lambda self: published_api("order") if self.service == "order" else None
    )
    told(faults(), "order API has changed incompatibly: POST /orders/{}/cancellation is gone")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("commerce.orders/OrderConfirmed.v1", "commerce.order/OrderConfirmed.v1"),
        ("commerce.order/OrderLost.v1", "publishes no OrderLost.v1; there is OrderCancelled.v1"),
        ("OrderConfirmed", "an event is called <source>/<Fact>.v<major>"),
    ],
)
def test_an_event_that_nobody_publishes_is_refused_with_those_that_are(event, said):
    command = [sys.executable, "-m", "commerce_platform.cli", "contract-add"]
    options = ["--service", "cart-service", "--event", event]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
