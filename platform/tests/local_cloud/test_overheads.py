"""What the extension takes away costs nothing but time."""

from __future__ import annotations

import asyncio
import copy
import re
import threading
import time
from collections import OrderedDict
from contextvars import ContextVar
from datetime import datetime
from decimal import Decimal

import pytest
from commerce_platform.local_cloud.extension import overheads
from commerce_platform.local_cloud.extension.overheads import _finished, copied, random_uuid
from commerce_platform.local_cloud.threads import KEPT_IDLE, PooledThread
from ministack import app
from ministack.core import arn
from ministack.services import dynamodb, stepfunctions

NESTING_LEVEL = dynamodb._nesting_level
"""The emulator's own: nothing is patched in this process."""


@pytest.mark.parametrize(
    "value",
    [
        {"pk": {"S": "ä"}, "list": {"L": [{"N": "1.50"}, {"NULL": True}, {"B": b"\x00"}]}},
        [1, 1.5, -(10**30), None, True, "", float("inf")],
        {"number": Decimal("1.10"), "ordered": OrderedDict(b=1, a=[2])},
        "text",
    ],
)
def test_a_copy_is_what_deepcopy_gives(value):
    found = copied(value)
    assert found == copy.deepcopy(value)
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        {"S": "a"},
        {"M": {}},
        {"L": []},
        {"M": {"a": {"S": "b"}, "c": {"L": [{"N": "1"}, {"M": {"d": {"NULL": True}}}]}}},
        {"L": [{"L": [{"L": [{"L": []}]}]}]},
        {"SS": ["a", "b"]},
        {"M": "no map"},
        {"L": {"no": "list"}},
        {"S": "two", "N": "2"},
        {},
        None,
        "text",
    ],
)
def test_a_nesting_level_is_the_one_that_the_emulator_counts(value):
    assert overheads.nesting_level(value) == NESTING_LEVEL(value)


@pytest.mark.parametrize(
    "value", ["arn:aws:states:eu-west-1:1:stateMachine:a:b", "arn:aws", "no", "", None, [], 7]
)
def test_an_arn_has_the_parts_or_the_fault_that_the_emulator_tells(value):
    def parts(parse):
        try:
            return parse(value)
        except arn.ArnParseError as error:
            return str(error)

    assert parts(overheads.parsed_arn) == parts(arn.parse_arn)
    assert parts(overheads.parsed_arn) == parts(arn.parse_arn)


def test_nothing_of_a_copy_is_the_original_s():
    item = {"list": {"L": [{"M": {"a": {"S": "before"}}}]}}
    copied(item)["list"]["L"][0]["M"]["a"]["S"] = "after"
    assert item == {"list": {"L": [{"M": {"a": {"S": "before"}}}]}}


def test_a_copy_of_what_cannot_be_marshalled_keeps_its_types():
    found = copied({"amount": Decimal("1.10")})
    assert isinstance(found["amount"], Decimal)


def test_the_time_is_written_as_the_emulator_wrote_it():
    written = overheads.now_iso()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", written)
    assert abs(datetime.fromisoformat(written).timestamp() - time.time()) < 5


def test_what_a_stream_tells_is_what_an_item_was_then(cloud):
    dynamodb, streams = cloud.client("dynamodb"), cloud.client("dynamodbstreams")
    table = dynamodb.create_table(
        TableName="images",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    update = {
        "TableName": "images",
        "Key": {"pk": {"S": "a"}},
        "UpdateExpression": "SET l = list_append(if_not_exists(l, :none), :one), m.x = :n ADD m.c :n",
        "ExpressionAttributeValues": {":none": {"L": []}, ":one": {"L": [{"S": "x"}]}, ":n": {"N": "1"}},
    }
    dynamodb.put_item(TableName="images", Item={"pk": {"S": "a"}, "m": {"M": {}}})
    before = dynamodb.update_item(**update, ReturnValues="ALL_OLD")["Attributes"]
    dynamodb.transact_write_items(TransactItems=[{"Update": update}])
    dynamodb.update_item(TableName="images", Key=update["Key"])

    stream = table["LatestStreamArn"]
    [shard] = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
    where = {"StreamArn": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    records = streams.get_records(ShardIterator=streams.get_shard_iterator(**where)["ShardIterator"])[
        "Records"
    ]

    def image(times):
        counted = {"x": {"N": "1"}, "c": {"N": str(times)}} if times else {}
        appended = {"l": {"L": [{"S": "x"}] * times}} if times else {}
        return {"pk": {"S": "a"}, "m": {"M": counted}} | appended

    told = [(record["dynamodb"].get("OldImage"), record["dynamodb"]["NewImage"]) for record in records]
    assert told == [(None, image(0)), (image(0), image(1)), (image(1), image(2))]
    assert before == image(0)


def run(target, *args):
    thread = PooledThread(target=target, args=args)
    thread.start()
    return thread


def idents(count):
    found = []
    for _ in range(count):
        run(lambda: found.append(threading.get_ident())).join()
        time.sleep(0.001)  # until it waits again
    return found


def test_a_thread_is_used_again():
    assert len(set(idents(2 * KEPT_IDLE))) < 2 * KEPT_IDLE


def test_work_that_waits_for_other_work_has_that_begun_at_once():
    def nested(depth):
        if depth:
            run(nested, depth - 1).join()

    thread = run(nested, 200)
    thread.join(10)
    assert not thread.is_alive()


def test_nothing_of_the_work_before_is_left_in_the_context():
    account = ContextVar("account", default="none")
    found = []
    for name in map(str, range(2 * KEPT_IDLE)):
        run(lambda value: (found.append(account.get()), account.set(value)), name).join()
        time.sleep(0.001)
    assert set(found) == {"none"}


def test_work_that_fails_is_told_and_ends_no_thread(monkeypatch):
    told = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_type))
    for _ in range(3):
        run(lambda: 1 // 0).join()
    assert told == [ZeroDivisionError] * 3
    assert idents(1)


def test_joining_gives_up_after_the_timeout_and_says_so():
    go_on = threading.Event()
    thread = run(go_on.wait)
    thread.join(0.01)
    assert thread.is_alive()
    go_on.set()
    thread.join()
    thread.join()
    assert not thread.is_alive()


def test_a_pooled_thread_is_always_a_daemon():
    with pytest.raises(ValueError, match="daemon=False"):
        PooledThread(target=print, daemon=False)


def test_ids_are_version_4_uuids_of_which_none_comes_twice():
    made = [random_uuid() for _ in range(1_000)]
    assert len(set(made)) == 1_000
    assert {(each.version, each.variant) for each in made} == {(4, made[0].variant)}


@pytest.mark.parametrize("caller", ["loop", "sdk integration", "optimized integration"])
def test_one_call_of_dynamodb_ends_before_another_begins(monkeypatch, caller):
    begun, go_on, log = threading.Event(), threading.Event(), []

    def read_and_write(name):
        log.append(f"{name} reads")
        begun.set()
        go_on.wait(5)
        log.append(f"{name} writes")

    async def handle(_method, _path, _headers, body, _query):
        return read_and_write(body)

    for module, name, stand_in in (
        (dynamodb, "handle_request", handle),
        (stepfunctions, "_invoke_dynamodb", lambda _operation, given: read_and_write(given)),
        (app, "call_service_handler_sync", None),
    ):
        monkeypatch.setattr(module, name, stand_in)
    overheads._call_in_place()
    headers = {"x-amz-target": "DynamoDB_20120810.UpdateItem"}
    calls = {
        "loop": lambda name: asyncio.run(dynamodb.handle_request("POST", "/", headers, name, {})),
        "sdk integration": lambda name: app.call_service_handler_sync(
            dynamodb.handle_request, "POST", "/", headers, name, {}
        ),
        "optimized integration": lambda name: stepfunctions._invoke_dynamodb("updateItem", name),
    }
    first = run(calls["loop"], "first")
    assert begun.wait(5)
    second = run(calls[caller], "second")
    time.sleep(0.05)
    go_on.set()
    first.join()
    second.join()
    assert log == ["first reads", "first writes", "second reads", "second writes"]


def test_a_handler_that_waits_is_not_called_in_place():
    async def waiting():
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waits"):
        _finished(waiting())


@pytest.fixture
def express(monkeypatch):
    """Stand in for what an Express execution does; give what calls it as API Gateway does."""

    async def handle(_method, _path, _headers, body, _query):
        return await stepfunctions.run_reentrant(body, thread_name="execution")

    for module, name in ((dynamodb, "handle_request"), (stepfunctions, "run_reentrant")):
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(stepfunctions, "_invoke_dynamodb", None)
    monkeypatch.setattr(app, "call_service_handler_sync", None)
    overheads._call_in_place()
    headers = {"x-amz-target": "AWSStepFunctions.StartSyncExecution"}
    return lambda run, timeout: app.call_service_handler_sync(
        handle, "POST", "/", headers, run, {}, timeout=timeout
    )


def test_an_express_execution_runs_in_its_caller_s_context_and_leaves_nothing_in_it(express):
    account = ContextVar("account", default="none")
    account.set("mine")

    def execute():
        seen = account.get()
        account.set("another")
        return seen

    assert express(execute, 5) == "mine"
    assert account.get() == "mine"


def test_an_express_execution_that_takes_longer_than_its_caller_waits_goes_on(express):
    go_on, ended = threading.Event(), threading.Event()
    with pytest.raises(TimeoutError):
        express(lambda: (go_on.wait(5), ended.set()), 0.01)
    go_on.set()
    assert ended.wait(5)


def test_an_express_execution_that_fails_is_its_caller_s_failure(express):
    with pytest.raises(ZeroDivisionError):
        express(lambda: 1 // 0, 5)
