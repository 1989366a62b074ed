"""What the change feed tells of each change, executed from the synthesized template."""

from service_contracts import Contracts
from service_runtime.envelope import event_id


def told(catalogue):
    return catalogue.deployment.published("Changes")


def test_a_change_is_told_as_the_whole_product_under_its_contract(new_catalogue):
    response = new_catalogue.put(description="Sharp.", headers={"X-Correlation-Id": "conversation-7"})

    (event,) = told(new_catalogue)
    Contracts("product_service").check_event(event.envelope())
    assert (event.source, event.detail_type) == ("commerce.product", "ProductChanged.v1")
    assert event.data == response.json()
    metadata = event.metadata
    assert (metadata.service, metadata.stage) == ("product", "dev")
    assert (metadata.aggregate_id, metadata.aggregate_version) == ("TARTE-CITRON", 1)
    assert metadata.event_id == event_id("commerce.product", "TARTE-CITRON", 1, "ProductChanged.v1")
    assert metadata.correlation_id == "conversation-7"
    assert metadata.causation_id == response.headers["x-amzn-RequestId"]


def test_no_event_says_which_operator_it_was(new_catalogue):
    new_catalogue.put()
    (event,) = told(new_catalogue)
    assert "operator-1" not in str(event.envelope())


def test_every_version_is_told_once_in_order(new_catalogue):
    new_catalogue.put()
    new_catalogue.put(price={"amountMinor": 700, "currency": "EUR"})
    new_catalogue.retire()
    new_catalogue.retire()
    new_catalogue.put()

    events = told(new_catalogue)
    for event in events:
        Contracts("product_service").check_event(event.envelope())
    assert [(event.data["version"], event.data["status"]) for event in events] == [
        (1, "ACTIVE"),
        (2, "ACTIVE"),
        (3, "RETIRED"),
        (4, "ACTIVE"),
    ]
    assert [event.data["price"]["amountMinor"] for event in events] == [620, 700, 700, 620]


def test_a_refused_change_is_not_told(new_catalogue):
    new_catalogue.put(headers={"If-Match": "7"})
    new_catalogue.put(name="")
    new_catalogue.retire()

    assert told(new_catalogue) == []


def test_what_a_product_lacks_its_event_lacks(new_catalogue):
    new_catalogue.put(description="Sharp.", imageUrl="https://images.example/x.jpg")
    new_catalogue.put()

    first, second = told(new_catalogue)
    assert {"description", "imageUrl"} <= first.data.keys()
    assert second.data.keys() & {"description", "imageUrl"} == set()
