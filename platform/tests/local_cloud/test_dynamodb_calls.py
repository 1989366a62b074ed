"""A function's boto3 calls DynamoDB over the emulator's socket, and nobody can tell but by the time it takes."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import threading
import time
import zlib
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.endpoint import Endpoint
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from commerce_platform.local_cloud import dynamodb_channel
from commerce_platform.local_cloud.dynamodb_channel import REQUEST, RESPONSE, SOCKET_VARIABLE
from commerce_platform.local_cloud.extension import dynamodb_calls
from ministack import app
from ministack.core import lambda_runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from conftest import Cloud

CALLS = r"""
import boto3, botocore.httpsession
from botocore.config import Config

sent = []
send = botocore.httpsession.URLLib3Session.send
botocore.httpsession.URLLib3Session.send = lambda self, request: (sent.append(request.url), send(self, request))[1]

KINDS = {"s": {"S": "é \u2028 \"x\""}, "n": {"N": "12.50"}, "b": {"B": b"\x00\xff"}, "ss": {"SS": ["a", "b"]},
         "ns": {"NS": ["1", "2"]}, "bs": {"BS": [b"1", b"\xfe"]}, "none": {"NULL": True}, "yes": {"BOOL": True},
         "m": {"M": {"l": {"L": [{"N": "1"}, {"M": {}}]}}}}
NEW = {"ConditionExpression": "attribute_not_exists(pk)"}

def calls(table):
    key = {"pk": {"S": "a"}}
    where = {"TableName": table, "Key": key}
    put = {"TableName": table, "Item": key | KINDS}
    old = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    yield "put_item", put
    yield "put_item", put | NEW
    yield "put_item", put | NEW | old
    yield "get_item", where | {"ConsistentRead": True, "ReturnConsumedCapacity": "TOTAL"}
    yield "get_item", where | {"Key": {"pk": {"S": "none"}}}
    yield "get_item", where | {"Key": {"pk": "text"}}
    yield "get_item", {"TableName": table}
    yield "get_item", where | {"Unknown": 1}
    yield "get_item", where | {"TableName": "nothing-here"}
    yield "get_item", where | {"Key": {"other": {"S": "a"}}}
    yield "update_item", where | {"UpdateExpression": "SET #n = #n + :one", "ReturnValues": "ALL_NEW",
        "ExpressionAttributeNames": {"#n": "n"}, "ExpressionAttributeValues": {":one": {"N": "1"}}}
    yield "update_item", where | {"UpdateExpression": "NONSENSE"}
    yield "transact_write_items", {"TransactItems": [{"Put": put | {"Item": {"pk": {"S": "b"}}}}, {"Put": put | NEW | old}]}
    yield "transact_write_items", {"TransactItems": [{"Put": put | {"Item": {"pk": {"S": "b"}}}}]}
    yield "transact_get_items", {"TransactItems": [{"Get": where}]}
    yield "batch_get_item", {"RequestItems": {table: {"Keys": [key]}}}
    yield "batch_write_item", {"RequestItems": {table: [{"PutRequest": {"Item": {"pk": {"S": "%d" % n}}}} for n in range(5)]}}
    yield "query", {"TableName": table, "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "a"}}}
    yield "delete_item", where | {"ReturnValues": "ALL_OLD"}
    yield "describe_limits", {}

def outcome(client, operation, given):
    try:
        found = getattr(client, operation)(**given)
    except Exception as error:
        modelled = [name for name in dir(client.exceptions) if name[0].isupper() and name != "ClientError"
                    and isinstance(error, getattr(client.exceptions, name))]
        found = {"error": type(error).__name__, "text": str(error), "modelled": modelled,
                 "ResponseMetadata": {}} | getattr(error, "response", {})
    about = found["ResponseMetadata"]
    for name in ("x-amzn-requestid", "x-amz-request-id", "x-amz-id-2", "date"):
        if name in about.get("HTTPHeaders", {}):
            about["HTTPHeaders"][name] = len(about["HTTPHeaders"][name])
    about["RequestId"] = len(about.get("RequestId", ""))
    return repr(found)

def everything(client):
    table = {"TableName": "everything"}
    client.create_table(AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST", **table)
    client.get_waiter("table_exists").wait(**table)
    found = [outcome(client, *each) for each in calls("everything")]
    pages = client.get_paginator("scan").paginate(PaginationConfig={"PageSize": 2}, **table)
    found.append(repr(sorted(item["pk"]["S"] for page in pages for item in page["Items"])))
    client.delete_table(**table)
    client.get_waiter("table_not_exists").wait(WaiterConfig={"Delay": 1}, **table)
    return found

def handler(event, context):
    ours, http = boto3.client("dynamodb"), boto3.client("dynamodb")
    http.meta.events.register("before-send.dynamodb", lambda **_: None)
    found = everything(ours)
    by_http = len(sent)
    return {"ours": found, "http": everything(http), "ours by HTTP": by_http, "others by HTTP": len(sent)}
"""


def _run(cloud: Cloud, source: str) -> Any:
    cloud.function(source, Timeout=60)
    answer = cloud.client("lambda").invoke(FunctionName="function")
    found = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, found
    return found


def test_results_and_errors_are_exactly_those_of_http(cloud: Cloud) -> None:
    found = _run(cloud, CALLS)

    assert found["ours"] == found["http"]
    assert found["ours by HTTP"] == 0
    assert found["others by HTTP"] > len(found["http"])


def test_other_clients_go_by_http(cloud: Cloud) -> None:
    found = _run(
        cloud,
        """
        import boto3, botocore, botocore.httpsession
        from botocore.config import Config

        def handler(event, context):
            sent = []
            send = botocore.httpsession.URLLib3Session.send
            botocore.httpsession.URLLib3Session.send = lambda self, request: (sent.append(1), send(self, request))[1]
            boto3.client("sqs").list_queues()
            boto3.client("dynamodbstreams").list_streams()
            boto3.client("dynamodb", config=Config(signature_version=botocore.UNSIGNED)).list_tables()
            signed = boto3.client("dynamodb")
            signed.meta.events.register("before-sign.dynamodb", lambda **_: None)
            signed.list_tables()
            by_http = len(sent)
            boto3.client("dynamodb").list_tables()
            return [by_http, len(sent)]
        """,
    )

    assert found == [4, 4]


def test_clients_that_powertools_names_in_a_header_go_by_the_socket(cloud: Cloud) -> None:
    found = _run(
        cloud,
        """
        import boto3, botocore, botocore.httpsession

        def named(request, **_):
            request.headers["User-Agent"] += " PT/no-op"

        named.__module__ = "aws_lambda_powertools.shared.user_agent"
        botocore.register_initializer(lambda session: session.register("request-created", named))

        def handler(event, context):
            sent = []
            send = botocore.httpsession.URLLib3Session.send
            botocore.httpsession.URLLib3Session.send = lambda self, request: (sent.append(1), send(self, request))[1]
            boto3.client("dynamodb").list_tables()
            return len(sent)
        """,
    )

    assert found == 0


def test_a_key_pairs_account_and_region_are_kept_apart(cloud: Cloud) -> None:
    found = _run(
        cloud,
        """
        import boto3

        def tables(**options):
            return boto3.client("dynamodb", **options).list_tables()["TableNames"]

        def handler(event, context):
            boto3.client("dynamodb").create_table(
                TableName="mine", AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST")
            return [tables(), tables(region_name="us-east-1"),
                    tables(aws_access_key_id="200000000009", aws_secret_access_key="x")]
        """,
    )

    assert found == [["mine"], [], []]


def test_threads_and_forked_processes_do_not_get_each_others_answers(cloud: Cloud) -> None:
    found = _run(
        cloud,
        """
        import os
        from concurrent.futures import ThreadPoolExecutor
        import boto3
        from commerce_platform.local_cloud.dynamodb_channel import _connections

        client = boto3.client("dynamodb")

        def read(number):
            return client.get_item(TableName="many", Key={"pk": {"S": str(number)}})["Item"]["pk"]["S"] == str(number)

        def handler(event, context):
            client.create_table(
                TableName="many", AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST")
            for number in range(40):
                client.put_item(TableName="many", Item={"pk": {"S": str(number)}, "x": {"S": "x" * 9000 * (number % 3)}})
            child = os.fork()
            if not child:
                # An inherited connection would be answered by turns.
                os._exit(_connections.kept is not None or not all(read(number) for number in range(40)))
            with ThreadPoolExecutor(8) as pool:
                threads = all(pool.map(read, list(range(40)) * 5))
            return [threads, os.waitpid(child, 0)[1]]
        """,
    )

    assert found == [True, 0]


class Emulator:
    """Stands where the emulator listens; answers connections as it is told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[str] = []

    def listen(self, *answers: Callable[[socket.socket], bool]) -> None:
        """Give one answer per request, in this order; one that gives False ends its connection."""
        listening = socket.socket(socket.AF_UNIX)
        self.path.unlink(missing_ok=True)
        listening.bind(str(self.path))
        listening.listen()
        threading.Thread(target=self._serve, args=(listening, answers), daemon=True).start()

    def _serve(self, listening: socket.socket, answers: Iterable[Callable[[socket.socket], bool]]) -> None:
        left = list(answers)
        while left:
            connection, _ = listening.accept()
            with connection:
                while left and self._request(connection) and left.pop(0)(connection):
                    pass
        listening.close()

    def _request(self, connection: socket.socket) -> bool:
        sizes = connection.recv(REQUEST.size, socket.MSG_WAITALL)
        if len(sizes) < REQUEST.size:
            return False
        head, body = (connection.recv(size, socket.MSG_WAITALL).decode() for size in REQUEST.unpack(sizes))
        self.asked.append(head.split("\n")[2] + body)
        return True


def _says(status: int, **content: Any) -> Callable[[socket.socket], bool]:
    def answer(connection: socket.socket) -> bool:
        text = json.dumps(content).encode()
        headers = json.dumps({"x-amz-crc32": str(zlib.crc32(text))}).encode()
        connection.sendall(RESPONSE.pack(status, len(headers), len(text)) + headers + text)
        return True

    return answer


def _ends(connection: socket.socket) -> bool:
    connection.shutdown(socket.SHUT_WR)
    return False


def _is_late(connection: socket.socket) -> bool:
    time.sleep(0.3)
    with contextlib.suppress(BrokenPipeError):
        _says(200, TableNames=["late"])(connection)
    return False


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> Iterator[Emulator]:
    """Have this process's boto3 call over a socket of the test's own; by HTTP it reaches the local cloud."""
    for name in ("create_request", "_send"):
        monkeypatch.setattr(Endpoint, name, getattr(Endpoint, name))
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv(SOCKET_VARIABLE, str(tmp_path / "s"))
    dynamodb_channel.install()
    assert SOCKET_VARIABLE not in os.environ
    yield Emulator(tmp_path / "s")
    dynamodb_channel._forget()


def _client(attempts: int = 1, read_timeout: float = 5) -> Any:
    retries: Any = {"mode": "standard", "total_max_attempts": attempts}
    config = Config(read_timeout=read_timeout, retries=retries)
    keys = {"aws_access_key_id": "100000000000", "aws_secret_access_key": "x"}
    return boto3.client("dynamodb", region_name="eu-west-1", config=config, **keys)


def test_throttling_is_retried_as_the_client_is_configured(emulator: Emulator) -> None:
    throttled = _says(400, __type="com.amazonaws.dynamodb.v20120810#ThrottlingException", message="slow down")
    emulator.listen(throttled, _says(200, TableNames=["one"]), throttled)

    answer = _client(attempts=2).list_tables()
    with pytest.raises(Exception, match="slow down") as failure:
        _client(attempts=1).list_tables()

    assert answer["TableNames"] == ["one"]
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    assert type(failure.value).__name__ == "ThrottlingException"
    assert emulator.asked == ["DynamoDB_20120810.ListTables{}"] * 3


def test_a_corrupted_answer_is_asked_for_again(emulator: Emulator) -> None:
    def corrupted(connection: socket.socket) -> bool:
        connection.sendall(RESPONSE.pack(200, 20, 2) + b'{"x-amz-crc32": "1"}' + b"{}")
        return True

    emulator.listen(corrupted, _says(200, TableNames=["one"]))

    assert _client(attempts=2).list_tables()["TableNames"] == ["one"]


def test_a_connection_that_breaks_is_an_error_that_boto3_repeats(emulator: Emulator) -> None:
    emulator.listen(_ends, _says(200, TableNames=["one"]), _ends)
    client = _client(attempts=2)

    assert client.list_tables()["TableNames"] == ["one"]
    with pytest.raises(ConnectionClosedError):
        _client(attempts=1).list_tables()


def test_an_answer_that_takes_too_long_is_not_taken_for_the_next_ones(emulator: Emulator) -> None:
    emulator.listen(_is_late, _says(200, TableNames=["one"]))

    with pytest.raises(ReadTimeoutError):
        _client(read_timeout=0.1).list_tables()
    assert _client().list_tables()["TableNames"] == ["one"]


def test_while_nobody_listens_calls_go_by_http_and_come_back_afterwards(emulator: Emulator) -> None:
    client = _client()
    emulator.listen(_says(200, TableNames=["before"]))
    assert client.list_tables()["TableNames"] == ["before"]
    emulator.path.unlink()
    # The emulator has gone for good once its end of the connection is closed.
    assert select.select([dynamodb_channel._connections.kept[0]], [], [], 5)[0]

    assert client.list_tables()["TableNames"] == []
    emulator.listen(_says(200, TableNames=["again"]))
    assert client.list_tables()["TableNames"] == ["again"]


def test_another_version_of_botocore_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.__version__", "1.0.0")
    monkeypatch.setenv(SOCKET_VARIABLE, str(tmp_path / "s"))
    before = Endpoint._send

    dynamodb_channel.install()

    assert Endpoint._send is before


def test_under_iam_enforcement_requests_stay_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "AUTH", True)
    before = lambda_runtime._PYTHON_WORKER_SCRIPT, app._handle_lifespan

    dynamodb_calls.apply()

    assert (lambda_runtime._PYTHON_WORKER_SCRIPT, app._handle_lifespan) == before
