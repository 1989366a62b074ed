"""Services side by side on one bus: what one publishes goes through the others' rules, queues and handlers, as deployed."""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from hypothesis import strategies as st
from service_contracts import schemas
from service_runtime.envelope import MAX_DETAIL_BYTES, Event
from service_runtime.observability import logger

from service_testing.consumers import ChangeFeedReader, feed, started, subscriptions
from service_testing.contracts.inputs import FILE
from service_testing.deployment import Deployment
from service_testing.patterns import matches, mismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from service_testing.consumers import FeedResult
    from service_testing.contracts.inputs import Heard, Request
    from service_testing.contracts.observations import Observations
    from service_testing.contracts.participants import Participant

SERVER_ERROR: Final = 500

_NAME: Final = ("source", "detail-type")


class World:
    """Services deployed into one moto, each as its templates say; a context manager.

    Args:
        services: Who takes part.
        seen: Where what happens is noted.
        draw: Makes a value of a strategy; with it, services that are not at hand are played.
    """

    def __init__(
        self,
        services: Sequence[Participant],
        seen: Observations,
        *,
        draw: Callable[[st.SearchStrategy[Any]], Any] | None = None,
    ) -> None:
        self._services = services
        self._draw = draw
        self._told = 0
        self._seen = seen
        self._deployed: dict[str, Deployment] = {}
        self._feeds: list[tuple[Participant, ChangeFeedReader]] = []
        self._begun: set[str] = set()
        self._known: dict[str, dict[str, list[str]]] = {}
        self._complaints = _Complaints()
        self._entered = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as entered:
            entered.enter_context(self._complaints.heard())
            for service in self._services:
                deployment = entered.enter_context(Deployment(service.templates))
                self._deployed[service.name] = deployment
                self._seen.subscriptions[service.name] = subscriptions(deployment)
                for pipe in deployment.resources("AWS::Pipes::Pipe"):
                    if "DynamoDBStreamParameters" in pipe.properties["SourceParameters"]:
                        self._feeds.append((service, ChangeFeedReader(deployment, pipe.logical_id)))
            self._entered = entered.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered.close()

    def happenings(self) -> list[Callable[[], None]]:
        """Everything that can happen from outside: each makes a request, or tells an event of a service that is played.

        Raises:
            ValueError: There is nothing to draw from.
        """
        if self._draw is None:
            raise ValueError("a world whose happenings are generated needs draw=")
        draw = self._draw
        found: list[Callable[[], None]] = []
        for service in self._services:
            found += [partial(self._request, service, each, draw) for each in service.inputs.requests]
            found += [
                partial(self._hear, service, source, heard)
                for source, heard in self.played(service)
                if heard.after is None
            ]
        return found

    def _request(
        self, service: Participant, requests: st.SearchStrategy[Request], draw: Callable[[Any], Any]
    ) -> None:
        self.send(service, draw(requests))

    def _hear(self, service: Participant, source: str, heard: Heard) -> None:
        self.play(service, source, heard)
        self.settle()

    # What callers do --------------------------------------------------------------------------------------------------

    def send(self, service: Participant, request: Request) -> None:
        """Send a request to a service's API, and let everything happen that follows from it."""
        known = self._known.setdefault(service.name, {})
        path = request.filled(known)
        if path is None:
            return
        self._seen.requests += 1
        deployment = self._deployed[service.name]
        deployment.calls.clear()
        response = deployment.request(
            request.method, path, body=request.body, headers=request.headers, claims=request.claims
        )
        if response.status >= SERVER_ERROR:
            self._seen.fault(
                f"{service.name} answers {request.method} {request.path} with {response.status}: {response.body}"
            )
        answer = json.loads(response.body) if response.body else None
        if isinstance(answer, dict) and response.status < SERVER_ERROR:
            for name, value in answer.items():
                if isinstance(value, str) and value not in known.setdefault(name, []):
                    known[name].append(value)
        if any(call.service == "sqs" for call in deployment.calls):
            self._work_off(service)
        self.settle()

    # What follows -----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Deliver what is published, and run what is begun, until nothing happens any more."""
        while any([*map(self._delivered, self._feeds), *map(self._ran, self._services)]):
            pass

    def publish(self, producer: Participant, entry: Mapping[str, Any]) -> None:
        """Put an event on the bus: it is held to its contract, and goes to everybody whose rules want it.

        Args:
            producer: Who sends it.
            entry: `source`, `detail-type` and `detail`.
        """
        self._check(producer, entry)
        self._spread(producer.name, entry)

    def play(
        self, consumer: Participant, source: str, heard: Heard, cause: Mapping[str, Any] | None = None
    ) -> None:
        """Tell a service an event of another one that is not at hand.

        Args:
            consumer: Who consumes it, and has locked its schema.
            source: Whose event it is.
            heard: Which one.
            cause: The event that it follows.
        """
        if self._draw is None:
            return
        self._told += 1
        schema = consumer.contracts.lock.schemas()[source, heard.event]
        aggregate = next(iter(schema["properties"]))
        data = dict(self._draw(st.sampled_from(schema["examples"])))
        if isinstance(data[aggregate], str):
            data[aggregate] = f"{aggregate}-{self._told}"
        data |= {name: self._draw(values) for name, values in heard.data.items()}
        if cause:
            data |= {
                name: value for name, value in cause["detail"]["data"].items() if name in schema["properties"]
            }
        if misfits := schemas.faults(schema, data):
            name = f"{source}/{heard.event}"
            told = f"{FILE} of {consumer.name} tells {name} otherwise than it is locked: {'; '.join(misfits)}"
            self._seen.fault(told)
            return
        event = Event.create(
            service=source.removeprefix("commerce."),
            stage="played",
            detail_type=heard.event,
            aggregate_id=str(data[aggregate]),
            aggregate_version=data.get("version", self._told),
            data=data,
            causation_id=cause["detail"]["metadata"]["eventId"] if cause else None,
        )
        envelope = event.envelope()
        self._spread(source, {name: envelope[name] for name in ("source", "detail-type", "detail")})

    def played(self, consumer: Participant) -> list[tuple[str, Heard]]:
        """What a service hears of those that are not at hand, with the sources."""
        here = {each.contracts.source for each in self._services}
        return [(source, heard) for source, heard in consumer.heard if source not in here]

    def _spread(self, sender: str, entry: Mapping[str, Any]) -> None:
        """Bring an event to everybody, and play what others tell upon it."""
        name = f"{entry['source']}/{entry['detail-type']}"
        self._seen.published(name, entry["detail"].get("data"))
        event = {
            "version": "0",
            "id": entry["detail"].get("metadata", {}).get("eventId", ""),
            "account": "111111111111",
            "time": "2026-11-21T08:00:00Z",
            "region": "eu-west-1",
            "resources": [],
            **entry,
        }
        for consumer in self._services:
            self._deliver(sender, consumer, name, event)
        for consumer in self._services:
            self._follow(consumer, entry)

    def _follow(self, consumer: Participant, cause: Mapping[str, Any]) -> None:
        """Play one of those events that follow another, first those that have not been told yet."""
        following = [each for each in self.played(consumer) if each[1].after == cause["detail-type"]]
        untold = [
            (source, heard)
            for source, heard in following
            if f"{source}/{heard.event}" not in self._seen.events
        ]
        if following and self._draw:
            source, heard = self._draw(st.sampled_from(untold or following))
            self.play(consumer, source, heard, cause)

    def _delivered(self, feed_of: tuple[Participant, ChangeFeedReader]) -> bool:
        producer, reader = feed_of
        try:
            entries = reader.read()
        except AssertionError as error:
            self._seen.fault(f"{producer.name} cannot tell of a change: {error}")
            return True
        for entry in entries:
            self.publish(producer, entry)
        return bool(entries)

    def _ran(self, service: Participant) -> bool:
        """Run the Standard workflows that were started; those that wait let the others go on meanwhile."""
        deployment = self._deployed[service.name]
        begun = [each for each in started(deployment) if each.arn not in self._begun]
        self._begun.update(each.arn for each in begun)
        for each in begun:
            execution = deployment.run(
                each.machine, each.given, name=each.name, on_callback=lambda _: self.settle()
            )
            if execution.status != "SUCCEEDED":
                workflow = each.machine.rpartition(":")[2]
                self._seen.fault(f"{service.name}: {workflow} fails: {execution.error}: {execution.cause}")
        return bool(begun)

    # Between two services ---------------------------------------------------------------------------------------------

    def _check(self, producer: Participant, entry: Mapping[str, Any]) -> None:
        """The event against its published schema, the envelope's, and every consumer's model."""
        detail_type, detail = entry["detail-type"], entry["detail"]
        name = f"{entry['source']}/{detail_type}"
        if entry["source"] != producer.contracts.source or detail_type not in producer.committed:
            self._seen.fault(f"{producer.name} sends {name}, which it does not publish")
            return
        readers = [each for each in self._services if detail_type in each.consumed(producer.contracts.source)]
        names = ", ".join(each.name for each in readers) or "nobody here"
        envelope = schemas.of_envelope(entry["source"], detail_type, producer.committed[detail_type])
        for fault in schemas.faults(envelope, entry):
            self._seen.fault(
                f"{producer.name} sends {name} otherwise than it is published: {fault}; read by {names}"
            )
        if (size := len(json.dumps(detail, ensure_ascii=False).encode())) > MAX_DETAIL_BYTES:
            self._seen.fault(
                f"{producer.name} sends {name} with {size:,} bytes, more than {MAX_DETAIL_BYTES:,}"
            )
        for reader in readers:
            model = schemas.of_model(reader.consumed(producer.contracts.source)[detail_type])
            for fault in schemas.faults(model, detail.get("data")):
                self._seen.fault(f"{reader.name} cannot read {name} as {producer.name} sends it: {fault}")

    def _deliver(self, sender: str, consumer: Participant, name: str, event: Mapping[str, Any]) -> None:
        queues = []
        declared = consumer.name == sender or event["detail-type"] in consumer.consumed(event["source"])
        for each in self._seen.subscriptions[consumer.name]:
            rule = consumer.named(each.rule)
            if matches(each.pattern, event):
                self._seen.matched(rule, name)
                queues.append(each.queue)
                if not declared:
                    self._seen.fault(f"{rule} takes {name} of {sender} without declaring it as consumed")
            elif matches({key: each.pattern[key] for key in _NAME if key in each.pattern}, event):
                self._seen.refused(rule, name, mismatch(each.pattern, event))
        for queue in dict.fromkeys(queues):
            self._feed(consumer, queue, [event], f"{name} as {sender} sends it", name)

    def _work_off(self, service: Participant) -> None:
        """Handle what a route has put on a queue."""
        for queue in self._deployed[service.name].resources("AWS::SQS::Queue"):
            if "RedrivePolicy" in queue.properties:
                self._feed(service, queue.logical_id, [], "what its API takes")

    def _feed(
        self, consumer: Participant, queue: str, events: list[Mapping[str, Any]], what: str, name: str = ""
    ) -> None:
        deployment = self._deployed[consumer.name]
        self._complaints.forget()
        result = feed(deployment, queue, events, receives=1)
        if name and (result.handled or result.pending or result.dead_letters):
            self._seen.passed(consumer.named(queue), name)
        if result.pending or result.dead_letters or result.errors:
            reason = " / ".join(dict.fromkeys([*_reasons(result), *self._complaints.heard_so_far]))
            self._seen.fault(f"{consumer.name} fails on {what} ({queue}): {reason}")
            # It would be told again with every event that follows.
            list(deployment.take(deployment.resource(queue, "AWS::SQS::Queue").ref))


def _reasons(result: FeedResult) -> Iterator[str]:
    yield from (letter.reason for letter in result.dead_letters if letter.reason)
    yield from result.errors
    for execution in result.executions:
        for visit in execution.visits:
            if visit.error:
                yield f"{visit.state}: {visit.error}: {visit.cause}"


class _Complaints(logging.Handler):
    """The errors that handlers log; a batch's answer names messages and says nothing of why."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard_so_far: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.heard_so_far.append(f"{type(error).__name__}: {error}" if error else record.getMessage())

    def forget(self) -> None:
        """Listen anew."""
        self.heard_so_far.clear()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen to what this process's handlers log."""
        source = logging.getLogger(logger.service)
        source.addHandler(self)
        try:
            yield
        finally:
            source.removeHandler(self)
