"""Clients are boto3's in all that reaches AWS, and read what they need of botocore only."""

import json
import re
import subprocess
import sys
from pathlib import Path

import boto3
import botocore.data
import pytest
from botocore.awsrequest import AWSResponse
from botocore.handlers import BUILTIN_HANDLERS
from botocore.session import Session
from service_runtime.client_data import register_handlers
from service_runtime.clients import client

CALLS = {
    "dynamodb": lambda made: made.get_item(TableName="t", Key={"pk": {"S": "x"}}),
    "secretsmanager": lambda made: made.get_secret_value(SecretId="s"),
    "sqs": lambda made: made.send_message(QueueUrl="https://queue.example/1/q", MessageBody="m"),
}
PARTITIONS = json.loads(Path(botocore.data.__path__[0], "partitions.json").read_text())["partitions"]
REGIONS = [
    *(next(name for name in each["regions"] if "global" not in name) for each in PARTITIONS),
    "eu-west-1",
]


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def sent(made, service: str) -> tuple[str, str, dict[str, str]]:
    """Where a call would go, what its signature is for, and its other headers."""
    requests = []

    def answer(request, **_):
        requests.append(request)
        body = b'{"SecretString": "x"}'
        return AWSResponse(request.url, 200, {"Content-Type": "application/x-amz-json-1.0"}, Raw(body))

    made.meta.events.register("before-send", answer)
    CALLS[service](made)
    (request,) = requests
    headers = {
        name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
    }
    scope = re.search(r"Credential=key/\d+/(\S+),", headers.pop("Authorization"))[1]
    kept = ("X-Amz-Target", "Content-Type", "X-Amzn-Trace-Id")
    return request.url, scope, {name: headers[name] for name in kept if name in headers}


class Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, **_):
        yield self.body


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("service", CALLS)
def test_a_call_goes_where_boto3s_goes_and_is_signed_alike(monkeypatch, service, region):
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    ours = client(service)
    assert ours.meta.region_name == region
    assert sent(ours, service) == sent(boto3.client(service), service)


@pytest.mark.parametrize("wish", [("FIPS",), ("DUALSTACK",), ("FIPS", "DUALSTACK")])
@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1"])
@pytest.mark.parametrize("service", ["dynamodb", "sqs"])
def test_fips_and_dual_stack_endpoints_are_boto3s(monkeypatch, service, region, wish):
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    for each in wish:
        monkeypatch.setenv(f"AWS_USE_{each}_ENDPOINT", "true")
    assert sent(client(service), service) == sent(boto3.client(service), service)


@pytest.mark.parametrize("service", CALLS)
def test_a_call_tells_which_invocation_it_belongs_to_as_boto3s_does(monkeypatch, service):
    """By this header Lambda finds functions that call each other without end."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "function")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-2-3")
    traces = [
        sent(made, service)[2].get("X-Amzn-Trace-Id") for made in (client(service), boto3.client(service))
    ]
    assert traces == ["Root=1-2-3"] * 2


def handlers(session, event):
    """What botocore would call of its own for an event, in its order; Powertools adds one per session."""
    events = session.get_component("event_emitter")
    found = events._emitter._handlers.prefix_search(events._alias_event_name(event))
    own = [handler for _, handler, *_ in BUILTIN_HANDLERS]
    return [each for each in found if each in own]


@pytest.mark.parametrize(
    "service", [*CALLS, "iot-data", "logs", "machinelearning", "mturk", "s3", "s3control"]
)
def test_every_event_has_the_handlers_that_it_has_in_boto3(service):
    ours, whole = Session(include_builtin_handlers=False), Session()
    register_handlers(ours, service)
    model = whole.get_service_model(service)
    topics = {event.partition(".")[0] for event, *_ in BUILTIN_HANDLERS} - {"docs"}
    names = [f"{topic}.{model.service_id.hyphenize()}" for topic in sorted(topics)]
    events = [
        *topics,
        *names,
        *(f"{name}.{operation}" for name in names for operation in model.operation_names),
    ]
    differing = [event for event in events if handlers(ours, event) != handlers(whole, event)]
    assert differing == []


READING = """
import sys
from pathlib import Path
from service_runtime.clients import client

read = []
sys.addaudithook(lambda event, args: read.append(args[0]) if event in ("open", "os.listdir") else None)
client("dynamodb")
print(*{Path(each).name for each in read if "botocore/data" in str(each)})
"""


def test_what_is_known_of_other_services_is_not_read():
    environment = {"AWS_DEFAULT_REGION": "eu-west-1", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", READING], env=environment, capture_output=True, text=True, check=True
    )
    read = set(done.stdout.split())
    assert {"service-2.json.gz", "partitions.json"} < read
    assert not read & {"endpoints.json", "data"}
