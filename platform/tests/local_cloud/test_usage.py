"""What is done is counted once, whichever way it was asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from commerce_platform.local_cloud import billing
from commerce_platform.local_cloud.extension.usage import PATH, cpu_seconds

from .conftest import eventually

PASS = {"Only": {"Type": "Pass", "End": True}}


def ask(endpoint, what="", **headers):
    request = urllib.request.Request(f"{endpoint}{PATH}{what}", headers=headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


@pytest.fixture
def used(cloud):
    """What the test's account has used since, once nothing is under way."""

    def counts():
        eventually(lambda: ask(cloud.endpoint, "/work")["running"] == 0)
        return ask(cloud.endpoint).get(cloud.account, {})

    return counts


def gained(after, before):
    return {
        name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)
    }


def machine(states=PASS, **top):
    return {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states} | top


def table_with_index(cloud):
    cloud.client("dynamodb").create_table(
        TableName="indexed",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "status")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-status",
                "KeySchema": [{"AttributeName": "status", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return cloud.client("dynamodb")


def test_a_write_costs_its_kilobytes_and_those_of_the_indexes_it_changes(cloud, used):
    dynamodb = table_with_index(cloud)
    item = {"pk": {"S": "1"}, "status": {"S": "NEW"}, "text": {"S": "x" * 1500}}
    dynamodb.put_item(TableName="indexed", Item=item)
    before = used()
    assert before == {"dynamodbWrites": 1, "dynamodbWriteUnits": 2 + 1}
    update = {"TableName": "indexed", "Key": {"pk": {"S": "1"}}, "ExpressionAttributeNames": {"#s": "status"}}
    values = {":s": {"S": "OLD"}}
    dynamodb.update_item(**update, UpdateExpression="SET #s = :s", ExpressionAttributeValues=values)
    # Another key in the index is an entry less and an entry more.
    assert gained(used(), before) == {"dynamodbWrites": 1, "dynamodbWriteUnits": 2 + 2}


def test_a_refused_write_costs_the_item_that_refused_it(cloud, used):
    dynamodb = table_with_index(cloud)
    item = {"pk": {"S": "1"}, "text": {"S": "x" * 1500}}
    dynamodb.put_item(TableName="indexed", Item=item)
    before = used()
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(TableName="indexed", Item=item, ConditionExpression="attribute_not_exists(pk)")
    assert gained(used(), before) == {"dynamodbWrites": 1, "dynamodbWriteUnits": 2}


def test_a_transaction_costs_twice_and_its_caller_is_told_nothing_he_did_not_ask_for(cloud, used):
    dynamodb = table_with_index(cloud)
    puts = [{"Put": {"TableName": "indexed", "Item": {"pk": {"S": each}}}} for each in "12"]
    answer = dynamodb.transact_write_items(TransactItems=puts)
    assert "ConsumedCapacity" not in answer
    assert used() == {"dynamodbWrites": 2, "dynamodbWriteUnits": 4}
    asked = dynamodb.transact_write_items(TransactItems=puts, ReturnConsumedCapacity="TOTAL")
    assert asked["ConsumedCapacity"][0]["CapacityUnits"] == 4


def test_reads_cost_half_unless_they_are_consistent(cloud, used):
    dynamodb = table_with_index(cloud)
    key = {"pk": {"S": "1"}}
    dynamodb.put_item(TableName="indexed", Item=key | {"text": {"S": "x" * 5000}})
    before = used()
    dynamodb.get_item(TableName="indexed", Key=key)
    dynamodb.get_item(TableName="indexed", Key=key, ConsistentRead=True)
    keys = [key, {"pk": {"S": "absent"}}]
    dynamodb.batch_get_item(RequestItems={"indexed": {"Keys": keys, "ConsistentRead": True}})
    assert gained(used(), before) == {"dynamodbReads": 3, "dynamodbReadUnits": 1 + 2 + 3}


def test_a_workflow_s_calls_are_counted_as_anybody_s(cloud, used):
    cloud.table()
    before = used()
    put = {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:putItem",
        "Arguments": {"TableName": "table", "Item": {"pk": {"S": "1"}}},
        "End": True,
    }
    cloud.run({"Put": put})
    assert gained(used(), before) == {"standardTransitions": 1, "dynamodbWrites": 1, "dynamodbWriteUnits": 1}


def test_every_state_that_a_standard_workflow_enters_and_each_retry_is_a_transition(cloud, used):
    failing = {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:getItem",
        "Arguments": {"TableName": "absent", "Key": {"pk": {"S": "1"}}},
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Only"}],
        "End": True,
    }
    cloud.run({"Failing": failing, **PASS})
    assert used() == {"standardTransitions": 3}


def test_an_express_run_is_billed_by_its_hundred_milliseconds(cloud, used):
    arn = cloud.state_machine(machine(), kind="EXPRESS")
    cloud.client("stepfunctions").start_sync_execution(stateMachineArn=arn, input="{}")
    found = used()
    assert found["expressRuns"] == 1
    assert found["expressGbMs"] >= 100 * 64 / 1024
    assert "standardTransitions" not in found


def test_a_pipe_s_records_its_enrichment_and_its_target_are_counted(cloud, used):
    arn = cloud.state_machine(machine(), kind="EXPRESS")
    source, target = cloud.queue("source"), cloud.queue("target")
    before = used()
    cloud.client("pipes").create_pipe(
        Name="pipe",
        RoleArn=cloud.role,
        Source=source.arn,
        Target=target.arn,
        Enrichment=arn,
        SourceParameters={
            "SqsQueueParameters": {"BatchSize": 1},
            "FilterCriteria": {"Filters": [{"Pattern": '{"body": {"wanted": [true]}}'}]},
        },
    )
    source.send({"wanted": True}, {"wanted": False})
    eventually(lambda: target.depth()["visible"] == 1)
    found = gained(used(), before)
    assert (found["pipeRequests"], found["expressRuns"], found["sqsMessages"]) == (1, 1, 3)


def test_an_event_is_one_message_for_each_queue_and_its_requests_are_all_counted(cloud, used):
    queue = cloud.queue()
    cloud.rule_to(queue, {"source": ["test"]})
    before = used()
    entry = {"Source": "test", "DetailType": "Tested", "Detail": json.dumps({"text": "x" * 70_000})}
    cloud.client("events").put_events(Entries=[entry, entry | {"Detail": "{}"}])
    assert gained(used(), before) == {"events": 2 + 1, "sqsMessages": 2, "sqsRequests": 2 + 1}
    before = used()
    sqs = cloud.client("sqs")
    for message in sqs.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=1)["Messages"]:
        sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
    assert gained(used(), before)["sqsRequests"] in {2, 3}  # one message is longer than 64 KB


def test_a_batch_is_one_request(cloud, used):
    queue = cloud.queue()
    before = used()
    entries = [{"Id": each, "MessageBody": each} for each in "abc"]
    cloud.client("sqs").send_message_batch(QueueUrl=queue.url, Entries=entries)
    assert gained(used(), before) == {"sqsRequests": 1, "sqsMessages": 3}


def test_a_function_is_billed_by_memory_and_time_and_its_log_lines_are_measured(cloud, used):
    source = "import time\ndef handler(event, context):\n    print('x' * 1000)\n    time.sleep(0.2)\n"
    cloud.function(source, MemorySize=512)
    before = used()
    cloud.client("lambda").invoke(FunctionName="function")
    found = gained(used(), before)
    assert found["lambdaInvocations"] == 1
    assert found["lambdaGbMs"] >= 200 * 512 / 1024
    assert 1100 < found["logBytes"] < 1500  # with START, END and REPORT


def test_a_workflow_s_log_is_measured_without_the_data_that_only_local_stages_log(cloud, used):
    cloud.client("logs").create_log_group(logGroupName="workflows")
    group = f"{cloud.arn('logs', 'log-group:workflows')}:*"
    sfn = cloud.client("stepfunctions")
    logging = {"level": "ALL", "includeExecutionData": True}
    logging["destinations"] = [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}]
    arn = cloud.state_machine(machine(), kind="EXPRESS")
    sfn.update_state_machine(stateMachineArn=arn, loggingConfiguration=logging)
    sfn.start_sync_execution(stateMachineArn=arn, input=json.dumps({"text": "x" * 5000}))
    assert 500 < used()["logBytes"] < 5000
    assert gained(used(), used()) == {}


def test_an_api_s_requests_are_counted(public_cloud):
    api = public_cloud.client("apigateway")
    name = api.create_rest_api(name="api")["id"]
    root = api.get_resources(restApiId=name)["items"][0]["id"]
    which = {"restApiId": name, "resourceId": root, "httpMethod": "GET"}
    api.put_method(**which, authorizationType="NONE")
    api.put_integration(**which, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    api.put_method_response(**which, statusCode="200")
    api.put_integration_response(**which, statusCode="200")
    api.create_deployment(restApiId=name, stageName="local")
    before = ask(public_cloud.endpoint).get(public_cloud.account, {})
    url = f"{public_cloud.endpoint}/_aws/execute-api/{name}/local/"
    with urllib.request.urlopen(url, timeout=10):  # noqa: S310 - loopback
        pass
    assert gained(ask(public_cloud.endpoint)[public_cloud.account], before)["apiRequests"] == 1


def test_each_resource_is_told_what_it_has_used(cloud, used):
    cloud.table()
    table_with_index(cloud)
    source = cloud.queue("source")
    cloud.function("def handler(event, context):\n    pass\n")
    dynamodb = cloud.client("dynamodb")
    texts = {"table": "short", "indexed": "x" * 1500}
    items = [
        {"Put": {"TableName": name, "Item": {"pk": {"S": "1"}, "text": {"S": text}}}}
        for name, text in texts.items()
    ]
    dynamodb.transact_write_items(TransactItems=items)
    source.send("one", "two")
    cloud.client("lambda").invoke(FunctionName="function")
    total = used()
    found = ask(cloud.endpoint, "/resources")[cloud.account]
    assert found["AWS::DynamoDB::Table|table"] == {"dynamodbWrites": 1, "dynamodbWriteUnits": 2}
    assert found["AWS::DynamoDB::Table|indexed"] == {"dynamodbWrites": 1, "dynamodbWriteUnits": 4}
    assert found["AWS::SQS::Queue|source"]["sqsMessages"] == 2
    function = found["AWS::Lambda::Function|function"]
    assert (function["lambdaInvocations"], function["functionStarts"]) == (1, 1)
    assert found["AWS::Logs::LogGroup|/aws/lambda/function"]["logBytes"] == total["logBytes"]
    assert not billing.CIRCUMSTANCES & total.keys()


def test_a_workflow_s_states_and_errors_are_told_whatever_its_type(cloud, used):
    cloud.client("logs").create_log_group(logGroupName="workflows")
    destination = {"logGroupArn": f"{cloud.arn('logs', 'log-group:workflows')}:*"}
    logging = {"level": "ALL", "destinations": [{"cloudWatchLogsLogGroup": destination}]}
    sfn = cloud.client("stepfunctions")
    for states in (PASS, {"Only": {"Type": "Fail"}}):
        arn = cloud.state_machine(machine(states), kind="EXPRESS", name=f"of-{states['Only']['Type']}")
        sfn.update_state_machine(stateMachineArn=arn, loggingConfiguration=logging)
        sfn.start_sync_execution(stateMachineArn=arn, input="{}")
    used()
    found = ask(cloud.endpoint, "/resources")[cloud.account]
    ended = found[f"AWS::StepFunctions::StateMachine|{arn}"]
    assert (ended["workflowRuns"], ended["statesEntered"]) == (1, 1)
    log = found["AWS::Logs::LogGroup|workflows"]
    assert 0 < log["errorLogBytes"] < log["logBytes"] / 2


def test_what_a_pipe_filters_out_is_told(cloud, used):
    source, target = cloud.queue("source"), cloud.queue("target")
    filters = {"Filters": [{"Pattern": '{"body": {"wanted": [true]}}'}]}
    parameters = {"SqsQueueParameters": {"BatchSize": 1}, "FilterCriteria": filters}
    pipe = {"Name": "pipe", "RoleArn": cloud.role, "Source": source.arn, "Target": target.arn}
    cloud.client("pipes").create_pipe(**pipe, SourceParameters=parameters)
    source.send({"wanted": True}, {"wanted": False}, {"wanted": False})
    eventually(lambda: target.depth()["visible"] == 1 and not source.depth()["visible"])
    used()
    found = ask(cloud.endpoint, "/resources")[cloud.account]["AWS::Pipes::Pipe|pipe"]
    assert found == {"pipeRecords": 3, "pipeRequests": 1}


def test_what_is_under_way_shows(cloud):
    cloud.function("import time\ndef handler(event, context):\n    time.sleep(0.5)\n")
    cloud.client("lambda").invoke(FunctionName="function", InvocationType="Event")
    eventually(lambda: ask(cloud.endpoint, "/work")["running"] > 0)
    eventually(lambda: ask(cloud.endpoint, "/work")["running"] == 0)


def test_no_web_page_reads_it(cloud):
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(cloud.endpoint, Origin="https://example.com")
    assert refused.value.code == 403


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="a system without /proc")  # noqa: PTH110
def test_processor_time_is_that_of_the_server_and_of_its_workers(cloud):
    before = ask(cloud.endpoint, "/cpu")
    busy = "def handler(event, context):\n    return sum(i * i for i in range(3_000_000))\n"
    cloud.function(busy)
    cloud.client("lambda").invoke(FunctionName="function")
    after = ask(cloud.endpoint, "/cpu")
    assert after["workers"] - before["workers"] > 0.05
    assert after["emulator"] >= before["emulator"]


def test_workers_that_have_ended_keep_their_processor_time(tmp_path):
    own, ticks = os.getpid(), os.sysconf("SC_CLK_TCK")
    for pid, parent, times in (
        (own, 1, (3, 2, 5, 0)),
        (7, own, (10, 1, 0, 0)),
        (8, 7, (20, 0, 0, 0)),
        (9, 1, (99,) * 4),
    ):
        folder = tmp_path / str(pid)
        folder.mkdir()
        fields = ["S", parent, *[0] * 9, *times]
        (folder / "stat").write_text(f"{pid} (a ) name) {' '.join(map(str, fields))}")
    assert cpu_seconds(tmp_path) == {"emulator": 5 / ticks, "workers": (5 + 11 + 20) / ticks}


def test_without_proc_no_processor_time_is_told(tmp_path):
    assert cpu_seconds(tmp_path / "proc") is None


def test_unless_it_is_switched_on_nothing_is_replaced():
    code = (
        "from commerce_platform.local_cloud import extension\n"
        "from ministack.services import dynamodb, sqs, eventbridge\n"
        "extension.apply()\n"
        "print(*(f.__module__ for f in (dynamodb._transact_write_items, eventbridge._dispatch_to_sqs)))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "COMMERCE_METERING"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["ministack.services.dynamodb", "ministack.services.eventbridge"]


@pytest.mark.parametrize(("size", "count"), [(0, 1), (1, 1), (65_536, 1), (65_537, 2)])
def test_a_begun_chunk_counts(size, count):
    assert billing.chunks(size) == count


@pytest.mark.parametrize(("seconds", "gb_ms"), [(0.0001, 6.25), (0.1, 6.25), (0.1001, 12.5), (1.0, 62.5)])
def test_express_time_is_billed_in_steps_of_a_tenth_of_a_second_and_64_mb(seconds, gb_ms):
    assert billing.ran_express(seconds, 1000, 1000) == {"expressRuns": 1, "expressGbMs": gb_ms}


def test_express_memory_begins_at_50_mb_and_grows_in_steps():
    below, above = (billing.ran_express(0.1, 0, size * billing.MB)["expressGbMs"] for size in (14, 15))
    assert above == 2 * below


@pytest.mark.parametrize(("seconds", "gb_ms"), [(0.0012, 1.0), (0.001, 0.5), (1.5, 750)])
def test_functions_are_billed_by_the_begun_millisecond(seconds, gb_ms):
    assert billing.invoked(seconds, 512) == {"lambdaInvocations": 1, "lambdaGbMs": gb_ms}


def test_write_units_are_begun_kilobytes_and_a_cancelled_transaction_costs_too():
    assert billing.written(1025, 1.0)["dynamodbWriteUnits"] == 3
    assert billing.written(0)["dynamodbWriteUnits"] == 1
    assert billing.written_together(3, 0)["dynamodbWriteUnits"] == 6


def test_read_units_are_begun_4_kb():
    assert billing.read([4097], consistent=True)["dynamodbReadUnits"] == 2
    assert billing.read([10, 10], consistent=False)["dynamodbReadUnits"] == 1
    assert billing.read([10], consistent=True, transaction=True)["dynamodbReadUnits"] == 2


def test_events_and_pipes_are_billed_by_64_kb():
    entry = {"Source": "s", "DetailType": "d", "Detail": "x" * 65_535}
    assert billing.published([entry]) == {"events": 2}
    assert billing.piped([{"body": "x" * 65_536}, {}]) == {"pipeRequests": 3}
