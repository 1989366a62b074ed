"""Copies of others' contracts: taken from a folder or a URL, locked, and not edited."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from service_contracts.locks import Lock, LockError, fetch

NAME = "commerce.order/OrderConfirmed.v1"
SCHEMA = {"$id": NAME, "type": "object", "properties": {"orderId": {"type": "string"}}}


@pytest.fixture
def published(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "OrderConfirmed.v1.json").write_text(json.dumps(SCHEMA))
    return folder


@pytest.fixture
def lock(tmp_path):
    return Lock(tmp_path / "consumed")


def test_a_copy_is_locked_by_name_version_and_digest(lock, published):
    path = lock.add(fetch(NAME, str(published)))

    assert path.name == "commerce.order.OrderConfirmed.v1.json"
    (entry,) = lock.entries()
    assert (entry["name"], entry["version"]) == (NAME, "1")
    assert entry["digest"].startswith("sha256:")
    assert list(lock.faults()) == []
    assert lock.schemas() == {("commerce.order", "OrderConfirmed.v1"): SCHEMA}


def test_adding_again_takes_the_newer_copy(lock, published):
    lock.add(fetch(NAME, str(published)))
    lock.add({**SCHEMA, "required": ["orderId"]})

    assert len(lock.entries()) == 1
    assert list(lock.faults()) == []


@pytest.mark.enable_socket
def test_a_producer_may_be_elsewhere(published):
    handler = partial(SimpleHTTPRequestHandler, directory=str(published))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{server.server_port}/"
        try:
            assert fetch(NAME, origin) == SCHEMA
            with pytest.raises(LockError, match=r"OrderPlaced.v1.json could not be read: .*404"):
                fetch("commerce.order/OrderPlaced.v1", origin)
        finally:
            server.shutdown()


def test_an_event_that_is_not_published_is_answered_with_those_that_are(published):
    with pytest.raises(LockError, match=r"publishes no OrderPlaced.v1; there is OrderConfirmed.v1"):
        fetch("commerce.order/OrderPlaced.v1", str(published))


def test_a_schema_of_another_producer_is_refused(published):
    with pytest.raises(LockError, match=r"is the schema of 'commerce.order/OrderConfirmed.v1', not of"):
        fetch("commerce.returns/OrderConfirmed.v1", str(published))


@pytest.mark.parametrize(
    "name", ["OrderConfirmed.v1", "commerce.order/OrderConfirmed", "commerce.order/../x.v1"]
)
def test_an_event_has_a_whole_name(name):
    with pytest.raises(LockError, match=r"<source>/<Fact>.v<major>"):
        fetch(name, "anywhere")


def test_a_copy_that_was_edited_is_found(lock):
    path = lock.add(SCHEMA)
    path.write_text(json.dumps({**SCHEMA, "required": ["orderId"]}))
    assert [each for each in lock.faults() if "is not what was locked" in each]


def test_a_copy_that_is_missing_is_found(lock):
    lock.add(SCHEMA).unlink()
    assert [each for each in lock.faults() if "is locked but missing" in each]
    with pytest.raises(LockError, match="is locked but missing"):
        lock.schemas()


def test_a_copy_that_nobody_locked_is_found(lock):
    lock.add(SCHEMA)
    (lock.folder / "commerce.order.OrderPlaced.v1.json").write_text("{}")
    assert [each for each in lock.faults() if "OrderPlaced.v1.json is in no lock" in each]
