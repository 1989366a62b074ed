"""Read synthesized CloudFormation templates: which parts a service is made of, and what flows between them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from catalogue.model import Flow, Kind, Part, Route, slug

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Json = dict[str, Any]

KINDS = {
    "AWS::ApiGateway::RestApi": Kind.API,
    "AWS::DynamoDB::Table": Kind.TABLE,
    "AWS::Lambda::Function": Kind.FUNCTION,
    "AWS::Pipes::Pipe": Kind.PIPE,
    "AWS::SQS::Queue": Kind.QUEUE,
    "AWS::Scheduler::Schedule": Kind.SCHEDULE,
    "AWS::StepFunctions::StateMachine": Kind.WORKFLOW,
}

ALIASES = {
    "AWS::Lambda::Alias": ("FunctionName",),
    "AWS::StepFunctions::StateMachineAlias": ("DeploymentPreference", "StateMachineVersionArn"),
    "AWS::StepFunctions::StateMachineVersion": ("StateMachineArn",),
}
"""Types that stand for another resource → where they name it."""

VERBS = {
    "reads": r"dynamodb:(Get|BatchGet|Query|Scan|ConditionCheck)|states:(Describe|List|Get)|secretsmanager:Get",
    "writes": r"dynamodb:(Put|Update|Delete|BatchWrite)",
    "starts": r"states:Start",
    "stops": r"states:Stop",
    "answers": r"states:SendTask",
    "invokes": r"lambda:Invoke",
    "sends to": r"sqs:SendMessage",
}
"""What permissions mean in one word. Those that are not here (polling, logs, traces) are no flow of their own."""

GENERIC = {
    "Resource",
    "StateMachine",
    "RestApi",
    "Api",
    "Function",
    "Table",
    "Queue",
    "Dlq",
    "Pipe",
    "Workflow",
    "Consumer",
}
"""Names that most constructs give their inner resources, so they tell nothing about one of them."""


@dataclass
class Reading:
    """One service's templates, being read.

    Attributes:
        service: `order`.
        resources: Every resource of its stacks, by logical id: the ids carry a hash of the path, so stacks share none.
        exports: What one stack's export stands for in another: a reference.
        parts: The parts found, by logical id.
        flows: The flows found.
        routes: The API's methods.
    """

    service: str
    resources: Json = field(default_factory=dict)
    exports: Json = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    flows: set[Flow] = field(default_factory=set)
    routes: list[Route] = field(default_factory=list)

    @classmethod
    def of(cls, service: str, templates: Sequence[Path]) -> Reading:
        """Read a service's templates, without the events that go between services."""
        reading = cls(service)
        for path in templates:
            template = json.loads(path.read_text())
            reading.resources |= template.get("Resources", {})
            for output in template.get("Outputs", {}).values():
                if "Export" in output:
                    reading.exports[json.dumps(output["Export"]["Name"])] = output["Value"]
        reading._find_parts()
        reading._find_routes()
        reading._find_polling()
        reading._find_pipes()
        reading._find_schedules()
        reading._find_permissions()
        return reading

    def all_of(self, kind: str) -> Iterator[tuple[str, Json]]:
        """Resources of a CloudFormation type: logical id and properties."""
        for logical_id, resource in self.resources.items():
            if resource["Type"] == kind:
                yield logical_id, resource.get("Properties", {})

    def path(self, logical_id: str) -> str:
        """Where the CDK app has made a resource, below its stack."""
        path: str = self.resources[logical_id].get("Metadata", {}).get("aws:cdk:path", f"/{logical_id}")
        return path.partition("/")[2].removesuffix("/Resource")

    def reference(self, value: Any) -> str:
        """The logical id that an intrinsic function refers to; empty if it is none, or of another service's."""
        if not isinstance(value, dict) or len(value) != 1:
            return ""
        ((function, argument),) = value.items()
        if function == "Fn::ImportValue":
            return self.reference(self.exports.get(json.dumps(argument)))
        if function == "Fn::GetAtt":
            argument = argument.split(".")[0] if isinstance(argument, str) else argument[0]
        if function not in {"Ref", "Fn::GetAtt"} or argument not in self.resources:
            return ""
        # Whoever calls an alias calls what it stands for.
        aliased = ALIASES.get(self.resources[argument]["Type"])
        return (
            self.reference(_within(self.resources[argument]["Properties"], aliased)) if aliased else argument
        )

    def references(self, value: Any) -> set[str]:
        """Every logical id that is referred to anywhere in a value."""
        if found := self.reference(value):
            return {found}
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return set().union(*map(self.references, inner))

    def mentioned(self, value: Any) -> set[Part]:
        """The parts among them."""
        return {self.parts[each] for each in self.references(value) & self.parts.keys()}

    def text(self, value: Any) -> str:
        """A property as text; a part is its id in braces, anything else that is known when deployed its name."""
        if isinstance(value, str):
            return value
        if logical_id := self.reference(value):
            part = self.parts.get(logical_id)
            return f"{{{part.id}}}" if part else logical_id
        if isinstance(value, dict) and "Fn::Join" in value:
            separator, pieces = value["Fn::Join"]
            return str(separator).join(map(self.text, pieces))
        return "aws" if value == {"Ref": "AWS::Partition"} else "…"

    def flow(self, source: str | Part, target: str | Part, what: str, rule: str = "") -> None:
        """Note a flow."""
        ends = [end if isinstance(end, str) else end.id for end in (source, target)]
        self.flows.add(Flow(source=ends[0], target=ends[1], what=what, rule=rule))

    def _find_parts(self) -> None:
        dead = {self._redrive(queue) for _, queue in self.all_of("AWS::SQS::Queue")}
        dead |= {
            each
            for resource in self.resources.values()
            for config in _values(resource.get("Properties", {}), "DeadLetterConfig")
            for each in self.references(config)
        }
        for logical_id, resource in self.resources.items():
            if kind := KINDS.get(resource["Type"]):
                kind = Kind.DLQ if logical_id in dead else kind
                self.parts[logical_id] = self._part(logical_id, kind, resource.get("Properties", {}))
        for logical_id, part in self.parts.items():
            if part.kind is Kind.WORKFLOW:
                self.parts[logical_id] = self._with_definition(logical_id, part)

    def _part(self, logical_id: str, kind: Kind, properties: Json) -> Part:
        path = self.path(logical_id)
        pieces = [piece for piece in path.split("/") if piece not in GENERIC] or path.split("/")[:1]
        return Part(
            id=f"{self.service}/{slug(kind.value)}/{slug(' '.join(pieces))}",
            kind=kind,
            service=self.service,
            name=" ".join(pieces),
            path=path,
            settings=settings(kind, properties),
        )

    def _with_definition(self, logical_id: str, part: Part) -> Part:
        definition = json.loads(self.text(self.resources[logical_id]["Properties"]["DefinitionString"]))
        return Part(**{**part.__dict__, "definition": definition})

    def _redrive(self, queue: Json) -> str:
        return self.reference(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn"))

    def _find_routes(self) -> None:
        for _, method in self.all_of("AWS::ApiGateway::Method"):
            if method["HttpMethod"] == "OPTIONS":
                continue
            integration = {
                name: value for name, value in method["Integration"].items() if name != "Credentials"
            }
            api = self.parts[self.reference(method["RestApiId"])]
            action = self._action(integration)
            (target,) = self.mentioned(integration)
            verb = "asks" if target.kind is Kind.FUNCTION else verb_of(action) or "asks"
            self.flow(api, target, verb)
            self.routes.append(
                Route(
                    method=method["HttpMethod"],
                    path=self._route_path(method["ResourceId"]),
                    scopes=tuple(method.get("AuthorizationScopes", ())),
                    target=target.id,
                    action=action.partition(":")[2],
                )
            )
        self.routes.sort(key=lambda route: (route.path, route.method))

    def _action(self, integration: Json) -> str:
        """What API Gateway calls, as IAM would name it: `dynamodb:GetItem`."""
        uri = self.text(integration.get("Uri", ""))
        if found := re.search(r":(\w+):action/(\w+)$", uri):
            return ":".join(found.groups())
        return "sqs:SendMessage" if ":sqs:path/" in uri else "lambda:InvokeFunction"

    def _route_path(self, resource: Any) -> str:
        path = ""
        while (logical_id := self.reference(resource)) and (
            properties := self.resources[logical_id]["Properties"]
        ).get("PathPart"):
            path = f"/{properties['PathPart']}{path}"
            resource = properties["ParentId"]
        return path or "/"

    def _find_polling(self) -> None:
        """What functions read from queues and streams, and where goes what was received too often."""
        for logical_id, queue in self.all_of("AWS::SQS::Queue"):
            if dead := self._redrive(queue):
                self.flow(self.parts[logical_id], self.parts[dead], "gives up to")
        for _, mapping in self.all_of("AWS::Lambda::EventSourceMapping"):
            for queue_or_stream in self.mentioned(mapping["EventSourceArn"]):
                for function in self.mentioned(mapping["FunctionName"]):
                    self.flow(queue_or_stream, function, "feeds")

    def _find_pipes(self) -> None:
        """From where to where, by way of what."""
        for logical_id, pipe in self.all_of("AWS::Pipes::Pipe"):
            part = self.parts[logical_id]
            for source in self.mentioned(pipe["Source"]):
                self.flow(source, part, "streams to" if source.kind is Kind.TABLE else "feeds")
            for enrichment in self.mentioned(pipe.get("Enrichment")):
                self.flow(part, enrichment, "enriches by")
            for target in self.mentioned(pipe["Target"]):
                self.flow(part, target, "starts" if target.kind is Kind.WORKFLOW else "feeds")
            for given_up in self.mentioned(_values(pipe["SourceParameters"], "DeadLetterConfig")):
                self.flow(part, given_up, "gives up to")

    def _find_schedules(self) -> None:
        """What is started by the clock."""
        for logical_id, schedule in self.all_of("AWS::Scheduler::Schedule"):
            for started in self.mentioned(schedule["Target"]["Arn"]):
                self.flow(self.parts[logical_id], started, "starts")
            for given_up in self.mentioned(schedule["Target"].get("DeadLetterConfig")):
                self.flow(self.parts[logical_id], given_up, "gives up to")

    def _find_permissions(self) -> None:
        """What functions and workflows may do: their roles say it, because they may do nothing else."""
        actors: dict[str, list[Part]] = {}
        for logical_id, part in self.parts.items():
            if part.kind in {Kind.FUNCTION, Kind.WORKFLOW}:
                properties = self.resources[logical_id]["Properties"]
                role = self.reference(properties.get("Role") or properties.get("RoleArn"))
                actors.setdefault(role, []).append(part)
        for _, policy in self.all_of("AWS::IAM::Policy"):
            for role in policy.get("Roles", ()):
                for actor in actors.get(self.reference(role), ()):
                    self._permissions(actor, policy["PolicyDocument"]["Statement"])

    def _permissions(self, actor: Part, statements: Sequence[Mapping[str, Any]]) -> None:
        done: dict[str, set[str]] = {}
        for statement in statements:
            actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
            for target in self.mentioned(statement["Resource"]):
                done.setdefault(target.id, set()).update(filter(None, map(verb_of, actions)))
        for target_id, verbs in done.items():
            if verbs:
                self.flow(actor, target_id, " and ".join(sorted(verbs)))

    def publishers(self) -> Iterator[tuple[Part, str]]:
        """The parts that put events on the bus, and the text in which they name them.

        A pipe's events are made by its enrichment; a workflow that puts events itself names them in its definition.
        """
        for logical_id, pipe in self.all_of("AWS::Pipes::Pipe"):
            if ":event-bus/" in self.text(pipe["Target"]):
                makers = self.mentioned(pipe.get("Enrichment")) or {self.parts[logical_id]}
                for maker in makers:
                    yield maker, json.dumps(maker.definition)
        for part in self.parts.values():
            text = json.dumps(part.definition)
            if part.kind is Kind.WORKFLOW and "events:putEvents" in text:
                yield part, text

    def rules(self) -> Iterator[tuple[str, Json]]:
        """EventBridge rules: their path, and their properties."""
        for logical_id, rule in self.all_of("AWS::Events::Rule"):
            yield self.path(logical_id), rule


def _within(properties: Any, path: Sequence[str]) -> Any:
    for key in path:
        properties = properties[key]
    return properties


def verb_of(action: str) -> str:
    """What a permission means in one word; empty for those that are no flow."""
    return next((verb for verb, pattern in VERBS.items() if re.match(pattern, action)), "")


def settings(kind: Kind, properties: Json) -> dict[str, str]:
    """What a reader asks about first, in words."""
    chosen: dict[str, Any] = {}
    if kind in {Kind.QUEUE, Kind.DLQ}:
        chosen = {
            "messages are kept for": _duration(properties.get("MessageRetentionPeriod")),
            "a message in work is hidden for": _duration(properties.get("VisibilityTimeout")),
            "given up after": _times(properties.get("RedrivePolicy", {}).get("maxReceiveCount")),
        }
    elif kind is Kind.FUNCTION:
        chosen = {
            "purpose": properties.get("Description"),
            "handler": properties.get("Handler"),
            "runtime": properties.get("Runtime"),
            "memory": f"{properties.get('MemorySize', 128)} MB",
            "ends after": _duration(properties.get("Timeout", 3)),
        }
    elif kind is Kind.WORKFLOW:
        chosen = {"type": properties.get("StateMachineType", "STANDARD").title()}
    elif kind is Kind.TABLE:
        chosen = {
            "key": _keys(properties),
            "indexes": ", ".join(
                f"{index['IndexName']} ({_keys(index)})"
                for index in properties.get("GlobalSecondaryIndexes", ())
            ),
            "stream": properties.get("StreamSpecification", {}).get("StreamViewType", ""),
        }
    elif kind is Kind.PIPE:
        (size,) = _values(properties.get("SourceParameters"), "BatchSize") or [""]
        chosen = {"batch": f"up to {size}" if size else ""}
    elif kind is Kind.SCHEDULE:
        chosen = {"purpose": properties.get("Description"), "when": properties.get("ScheduleExpression")}
    elif kind is Kind.API:
        chosen = {"purpose": properties.get("Description")}
    return {name: str(value) for name, value in chosen.items() if value}


def _keys(table: Json) -> str:
    return ", ".join(key["AttributeName"] for key in table["KeySchema"])


def _times(count: int | None) -> str:
    return f"{count} receives" if count else ""


def _duration(seconds: int | None) -> str:
    """Seconds in the largest unit that has no remainder."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return ""


def _values(value: Any, key: str) -> list[Any]:
    """The values of a key, wherever it is in a value."""
    if isinstance(value, list):
        return [found for each in value for found in _values(each, key)]
    if not isinstance(value, dict):
        return []
    return [
        *([value[key]] if key in value else []),
        *(found for each in value.values() for found in _values(each, key)),
    ]
