"""One local cloud per session on a free loopback port, and one account per test, so that nothing is shared."""

from __future__ import annotations

import io
import itertools
import json
import os
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
import uuid
import zipfile
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import pytest
from botocore.config import Config
from commerce_platform.local_cloud.__main__ import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

REGION = "eu-west-1"
WAIT_LIMIT_SECONDS = 10.0
START_LIMIT_SECONDS = 30.0

_accounts = itertools.count(100000000001)


@cache
def _client(endpoint: str, account: str, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=account,
        aws_secret_access_key="test",
        config=Config(inject_host_prefix=False, retries={"max_attempts": 1}),
    )


def eventually(read: Callable[[], T], *, within: float = WAIT_LIMIT_SECONDS) -> T:
    """Repeat a reading until it is truthy; the last reading is in the failure."""
    deadline = time.monotonic() + within
    while True:
        found = read()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"Still {found!r} after {within} s")
        time.sleep(0.01)


@dataclass(frozen=True)
class Queue:
    """A queue and what is in it."""

    cloud: Cloud
    url: str
    arn: str

    def receive(self, count: int = 1, *, within: float = WAIT_LIMIT_SECONDS) -> list[Any]:
        """Take messages off the queue until there are `count`; bodies parsed as JSON where they are."""
        sqs = self.cloud.client("sqs")
        found: list[Any] = []

        def enough() -> bool:
            answer = sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                found.append(parsed(message["Body"]))
            return len(found) >= count

        eventually(enough, within=within)
        return found

    def send(self, *bodies: Any) -> None:
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            self.cloud.client("sqs").send_message(QueueUrl=self.url, MessageBody=text)

    def depth(self) -> dict[str, int]:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.cloud.client("sqs").get_queue_attributes(QueueUrl=self.url, AttributeNames=names)[
            "Attributes"
        ]
        return {"visible": int(found[names[0]]), "in_flight": int(found[names[1]])}


@dataclass(frozen=True)
class Cloud:
    """One account of the local cloud."""

    endpoint: str
    account: str

    def client(self, service: str) -> Any:
        return _client(self.endpoint, self.account, service)

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{REGION}:{self.account}:{resource}"

    def eventually(self, read: Callable[[], T], *, within: float = WAIT_LIMIT_SECONDS) -> T:
        return eventually(read, within=within)

    @property
    def role(self) -> str:
        return f"arn:aws:iam::{self.account}:role/any"

    def deploy(self, resources: dict[str, Any], *, stack: str = "stack", **sections: Any) -> dict[str, str]:
        """Create or update a stack, wait for its end, and give its outputs."""
        cloudformation = self.client("cloudformation")
        template = json.dumps({"Resources": resources} | sections)
        exists = any(found["StackName"] == stack for found in cloudformation.describe_stacks()["Stacks"])
        operation = cloudformation.update_stack if exists else cloudformation.create_stack
        operation(StackName=stack, TemplateBody=template)

        def finished() -> Any:
            found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            return None if found["StackStatus"].endswith("IN_PROGRESS") else found

        found = eventually(finished)
        assert found["StackStatus"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}, self.failures(stack)
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    def failures(self, stack: str) -> list[str]:
        events = self.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        return [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
            for event in events
            if event["ResourceStatus"].endswith("FAILED")
        ]

    def queue(self, name: str = "queue", **attributes: str) -> Queue:
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return Queue(self, url, arn)

    def table(self, name: str = "table") -> str:
        """Create a table with a stream and give the stream's ARN."""
        answer = self.client("dynamodb").create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        stream: str = answer["TableDescription"]["LatestStreamArn"]
        return stream

    def put(self, pk: str, *, table: str = "table", **attributes: Any) -> None:
        """Put an item; attributes in DynamoDB's typed JSON."""
        self.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": pk}} | attributes)

    def bus(self, name: str = "bus") -> str:
        arn: str = self.client("events").create_event_bus(Name=name)["EventBusArn"]
        return arn

    def rule_to(self, queue: Queue, pattern: dict[str, Any], *, bus: str = "default", **target: Any) -> None:
        """Deliver matching events of a bus to a queue."""
        events = self.client("events")
        name = f"rule-{uuid.uuid4().hex[:8]}"
        events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": queue.arn} | target])

    def state_machine(
        self, definition: dict[str, Any], *, name: str = "machine", kind: str = "STANDARD"
    ) -> str:
        answer = self.client("stepfunctions").create_state_machine(
            name=name, definition=json.dumps(definition), roleArn=self.role, type=kind
        )
        arn: str = answer["stateMachineArn"]
        return arn

    def execute(self, machine: str, given: Any = None) -> dict[str, Any]:
        """Run an execution to its end and describe it."""
        sfn = self.client("stepfunctions")
        arn = sfn.start_execution(stateMachineArn=machine, input=json.dumps(given or {}))["executionArn"]
        return self.ended(arn)

    def ended(self, execution: str) -> dict[str, Any]:
        sfn = self.client("stepfunctions")

        def finished() -> Any:
            found = sfn.describe_execution(executionArn=execution)
            return None if found["status"] == "RUNNING" else found

        found: dict[str, Any] = eventually(finished)
        return found

    def run(self, states: dict[str, Any], given: Any = None, **top: Any) -> Any:
        """Run a JSONata workflow whose first state comes first, and give its output."""
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states} | top
        ended = self.execute(self.state_machine(definition, name=f"m-{uuid.uuid4().hex[:8]}"), given)
        assert ended["status"] == "SUCCEEDED", (ended["status"], ended.get("error"), ended.get("cause"))
        return json.loads(ended["output"])

    def function(self, source: str, *, name: str = "function", **options: Any) -> str:
        """Create a Python function from the source of a module with `handler(event, context)`."""
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("index.py", textwrap.dedent(source))
        answer = self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=self.role,
            Handler="index.handler",
            Code={"ZipFile": code.getvalue()},
            **options,
        )
        arn: str = answer["FunctionArn"]
        return arn


def parsed(text: str) -> Any:
    """Parse JSON, leave other text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the server as `make up` does, and stop it by its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log: Path = tmp_path_factory.mktemp("local-cloud") / "server.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "commerce_platform.local_cloud"],
            env=environment | {"GATEWAY_PORT": str(port), "COMMERCE_METERING": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(url, server, log)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=10)


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.fail(f"The local cloud ended with {server.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"{url}/_ministack/health", timeout=1):  # noqa: S310 - loopback
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"The local cloud did not answer within {START_LIMIT_SECONDS:.0f} s:\n{log.read_text()}")


@pytest.fixture
def cloud(endpoint: str) -> Cloud:
    """Give the test an account of its own."""
    return Cloud(endpoint=endpoint, account=str(next(_accounts)))


@pytest.fixture(scope="session")
def public_cloud(endpoint: str) -> Cloud:
    """Give the account in which requests without AWS credentials, an API's callers, are answered."""
    return Cloud(endpoint=endpoint, account=DEFAULTS["MINISTACK_ACCOUNT_ID"])
