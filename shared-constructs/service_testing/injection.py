"""Injection tests: hostile values in every field that a caller controls, against a deployed service.

A service's whole injection suite:

    PROBES = [
        Probe(method="PUT", path="/products/{sku}", path_parameters={"sku": "EST-1"}, body={"name": "Éclair"},
              claims={"sub": "u-1", "scope": "commerce/operate"}),
        …
    ]

    @pytest.mark.parametrize("case", injection_cases(PROBES), ids=str)
    def test_no_input_defeats_a_template(deployment, case):
        case.run(deployment)

    def test_every_route_is_probed(deployment):
        assert unprobed_routes(deployment, PROBES) == []

The oracle is the probe itself. Sent as it is, it must succeed; that shows which items, messages and service calls the
route makes. Sent with a hostile value in one field it must either leave exactly the same behind, with the hostile value
wherever the harmless one was and nothing else different, or be refused with a clean 4xx problem document and leave
nothing behind. Every table also holds a canary item of another owner, which must stay as it is and appear in no answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote

from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from service_testing.aws import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from apigateway_engine import HttpResponse

    from service_testing.deployment import Deployment

_WHOLE_VALUES: Final[Sequence[str]] = (
    "null", "true", "-1", "1e400", "1234567890123456789012345678901234567890", " ", "'" * 300, "🥐" * 150, "x" * 3000,
)  # fmt: skip
"""Texts that matter as the whole value: other types in disguise, blank, long."""

HOSTILE_VALUES: Final[Sequence[str]] = (
    *_WHOLE_VALUES,
    # quotes, escapes, braces
    "it's", '"', '""', "\\", "\\\\", '\\"', "\\'", "a\\", "'\"\\/", "{", "}", '{"a":1}', "]}", '"}', '"},"x":{"S":"y"}',
    'a"},"pk":{"S":"other"},"z":{"S":"b',
    '","sk":{"S":"other"},"z":{"S":"', "/", "</script>", "%22%7D", "&DelaySeconds=1&MessageBody=x", "a=b&c=d", "+", "*",
    "`", ";--",
    # Velocity
    "$", "#", "$x", "$!x", "${x}", "$input.body", "$input.params('sku')", "$util.escapeJavaScript('x')",
    "$context.authorizer.claims.sub", "#set($context.responseOverride.status = 200)", "#if(true)x#end", "#end", "#stop",
    "#foreach($i in [1..9])x#end", "## comment", "#*", "\\$x", "$1", "${1}", "$ref$",
    # DynamoDB
    '{"S":"x"}', '{"N":"1"}', '{"NULL":true}', '{"M":{}}', ":pk", "#pk", "attribute_exists(pk)", "pk = :pk OR 1 = 1",
    "CANARY", "PRODUCT#x", "undefined",
    # control characters and white space
    "a\nb", "a\r\nb", "a\tb", "a\x00b", "\x01\x1f", "\x7f\x85", "\u2028\u2029", " a ", "\ufeffa", "a\u00a0b",
    # Unicode
    "\u00e9", "e\u0301", "👩\u200d👩\u200d👧", "𝒳𐍈", "\u202eabc\u202c", "مرحبا", "ﷺ", "İı", "ß", "\u200bx", "\uffff",
)  # fmt: skip
"""Texts that have broken templates, parsers or keys somewhere."""

_TOGETHER_LENGTH: Final = 80
"""Characters of texts that are tried together first; short enough for the length limits of most fields."""
_CANARY: Final = "canary-7f3a"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_EPOCH = re.compile(r"\b\d{10}(?:\d{3})?\b")


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A request of one route that succeeds, each value occurring in one field only so that it can be told apart.

    Attributes:
        path: the route's template, `/products/{sku}`.
        path_parameters: a value for each placeholder, not encoded.
        prepare: brings the tables into the state that the request needs; every request finds them so.
    """

    method: str
    path: str
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    claims: Mapping[str, str] | None = None
    prepare: Callable[[Deployment], object] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def send(self, deployment: Deployment) -> HttpResponse:
        """Send the request."""
        path = self.path
        for name, value in self.path_parameters.items():
            path = path.replace(f"{{{name}}}", quote(value, safe="", errors="surrogatepass"))
        return deployment.request(
            self.method, path, query=self.query, headers=self.headers, body=self.body, claims=self.claims
        )


@dataclass(frozen=True, kw_only=True)
class InjectionCase:
    """One field of one probe.

    Attributes:
        location: path, query, header, claim, body, or one of body-name (the name of a further field) and body-text (the
            whole body).
        name: of the parameter; for body the keys and indexes that lead to it.
    """

    probe: Probe
    location: str
    name: tuple[Any, ...]
    values: Sequence[str] = HOSTILE_VALUES

    def __str__(self) -> str:
        return f"{self.probe} {self.location} {'.'.join(map(str, self.name))}".strip()

    def run(self, deployment: Deployment) -> None:
        """Send every value in this field.

        Raises:
            AssertionError: listing every value for which more came of it than it should.
        """
        ledger = _Ledger(deployment, self.probe.prepare)
        try:
            expected = self._expected(ledger)
            failures = [failure for group in self._groups() for failure in self._try(ledger, expected, group)]
        finally:
            ledger.close()
        if failures:
            raise AssertionError(f"{self}: {len(failures)} values\n" + "\n".join(failures[:20]))

    def _groups(self) -> list[list[str]]:
        """The values, each alone or several that can be tried in one text."""
        groups: list[list[str]] = [[]]
        for value in filter(self._can_carry, self.values):
            if value in _WHOLE_VALUES:
                groups.insert(0, [value])
            elif sum(map(len, groups[-1])) + len(value) > _TOGETHER_LENGTH:
                groups.append([value])
            else:
                groups[-1].append(value)
        return [group for group in groups if group]

    def _try(self, ledger: _Ledger, expected: _Outcome, group: list[str]) -> list[str]:
        """Findings on the values of a group: none if they came back unchanged in one text, else on each by itself."""
        if len(group) > 1:
            status, problem = self._judge(ledger, expected, " ".join(group))
            if problem is None and status < 300:  # noqa: PLR2004  # success
                return []
        findings = ((value, self._judge(ledger, expected, value)[1]) for value in group)
        return [f"{value[:60]!r}: {problem}" for value, problem in findings if problem]

    def _expected(self, ledger: _Ledger) -> _Outcome:
        """What the probe does as it is; leaves that differ between two runs are the route's own (ids, times)."""
        first, second = _observe(ledger, self.probe), _observe(ledger, self.probe)
        if not 200 <= first.response.status < 300:  # noqa: PLR2004  # success
            raise AssertionError(f"{self.probe} itself must succeed: {first.response}")
        changing = (
            path
            for path in first.leaves
            if path in second.leaves and first.leaves[path] != second.leaves[path]
        )
        return replace(first, ignored=frozenset(changing))

    def _judge(self, ledger: _Ledger, expected: _Outcome, value: str) -> tuple[int, str | None]:
        """The status that a value was answered with, and what is wrong with what came of it."""
        try:
            outcome = _observe(ledger, self._with(value))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding about this value
            ledger.read()
            return 0, f"{type(error).__name__}: {error}"
        return outcome.response.status, self._problem(expected, outcome, value)

    def _problem(self, expected: _Outcome, outcome: _Outcome, value: str) -> str | None:
        response = outcome.response
        if _CANARY in response.body:
            return f"an item of another owner is in the answer: {response.body}"
        if response.status >= 500 or response.status < 200:  # noqa: PLR2004  # HTTP's classes
            return f"{response.status} {response.body[:300]} ({response.cause})"
        if response.status >= 400:  # noqa: PLR2004  # HTTP's classes
            return _unclean(response) or (
                f"refused, but left {outcome.left}" if outcome.left != outcome.before else None
            )
        if self.location == "body-text":
            return None
        harmless = self._original()
        return expected.difference(outcome, harmless, value, as_given=not harmless)

    def _original(self) -> str:
        groups = {
            "path": self.probe.path_parameters,
            "query": self.probe.query,
            "header": self.probe.headers,
            "claim": self.probe.claims or {},
        }
        if self.location in groups:
            return groups[self.location].get(self.name[0], "")
        if self.location == "body":
            value: Any = self.probe.body
            for key in self.name:
                value = value[key]
            return value if isinstance(value, str) else ""
        return ""

    def _with(self, value: str) -> Probe:  # noqa: PLR0911  # one case per location
        probe = self.probe
        match self.location:
            case "path":
                return replace(probe, path_parameters={**probe.path_parameters, self.name[0]: value})
            case "query":
                return replace(probe, query={**probe.query, self.name[0]: value})
            case "header":
                return replace(probe, headers={**probe.headers, self.name[0]: value})
            case "claim":
                return replace(probe, claims={**(probe.claims or {}), self.name[0]: value})
            case "body-name":
                return replace(probe, body={**probe.body, value: value})
            case "body-text":
                return replace(probe, body=value)
        return replace(probe, body=_replaced(probe.body, self.name, value))

    def _can_carry(self, value: str) -> bool:
        if self.location == "header":
            return value == value.strip() and all(" " <= char <= "~" or char == "\t" for char in value)
        return not (self.location == "path" and value in ("", ".", ".."))


def injection_cases(
    probes: Iterable[Probe], *, values: Sequence[str] = HOSTILE_VALUES
) -> list[InjectionCase]:
    """One case for every field of every probe.

    Path, query and header parameters, claims, body fields; a further body field by a hostile name, the whole body as
    text, and the correlation id header, which every route takes.

    Args:
        probes: one request per route.
        values: what is sent.
    """
    cases = []
    for probe in probes:
        fields: list[tuple[str, tuple[Any, ...]]] = [("path", (name,)) for name in probe.path_parameters]
        fields += [("query", (name,)) for name in probe.query]
        fields += [("header", (name,)) for name in {"X-Correlation-Id": "", **probe.headers}]
        fields += [("claim", (name,)) for name in probe.claims or {}]
        fields += [("body", path) for path in _leaf_paths(probe.body)]
        if isinstance(probe.body, dict):
            fields += [("body-name", ()), ("body-text", ())]
        cases += [InjectionCase(probe=probe, location=at, name=name, values=values) for at, name in fields]
    return cases


def unprobed_routes(deployment: Deployment, probes: Iterable[Probe]) -> list[str]:
    """Routes of the deployment's APIs that no probe covers, preflight requests (OPTIONS) aside."""
    probed = {(probe.method, probe.path) for probe in probes}
    return sorted(
        str(method)
        for api in deployment.apis.values()
        for method in api.methods
        if method.http_method != "OPTIONS" and (method.http_method, method.resource_path) not in probed
    )


# Observation ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    response: HttpResponse
    before: Any
    left: Any
    leaves: Mapping[tuple[Any, ...], Any]
    ignored: frozenset[tuple[Any, ...]] = frozenset()

    def difference(self, other: _Outcome, harmless: str, value: str, *, as_given: bool) -> str | None:
        """What differs in an outcome beyond the hostile value in the place of the harmless one.

        Args:
            other: what came of the hostile value.
            harmless: the text in the probe's field.
            value: the hostile one in its place.
            as_given: the field had no text to look for (a number, a further name), so the hostile value itself may show.
        """
        expected = {
            _in_place(path, harmless, value): _in_place(leaf, harmless, value)
            for path, leaf in self.leaves.items()
            if path not in self.ignored
        }
        ignored = {_in_place(path, harmless, value) for path in self.ignored}
        found = {path: leaf for path, leaf in other.leaves.items() if path not in ignored}
        for path in sorted(expected.keys() | found.keys(), key=repr):
            if as_given and found.get(path, expected.get(path)) == value:
                continue
            if path[0] == "response":
                # A read may find nothing for another value; what it does return must be right.
                if path in expected and path in found and not _same(expected[path], found[path]):
                    return f"{_dotted(path)} is {found[path]!r}, not {expected[path]!r}"
            elif path not in found:
                return f"{_dotted(path)} is missing, it should be {expected[path]!r}"
            elif path not in expected:
                return f"{_dotted(path)} = {found[path]!r} should not be there"
            elif not _same(expected[path], found[path]):
                return f"{_dotted(path)} is {found[path]!r}, not {expected[path]!r}"
        return None


def _observe(ledger: _Ledger, probe: Probe) -> _Outcome:
    deployment = ledger.deployment
    before = ledger.restore()
    deployment.calls.clear()
    response = probe.send(deployment)
    left = ledger.read()
    seen = {
        "response": _tree(response.body),
        "calls": [
            {"service": call.service, "action": call.action, "path": call.path, "body": _tree(call.body)}
            for call in deployment.calls
        ],
        "left": left,
    }
    return _Outcome(response=response, before=before, left=left, leaves=dict(_leaves(seen)))


class _Ledger:
    """What tables and queues hold, how it was, and back again; with a canary in each table meanwhile.

    It asks moto's own stores: thousands of scans and receives as requests took most of the tests' time.

    Args:
        deployment: whose tables and queues.
        prepare: brings them into the state that every request is to find.
    """

    def __init__(self, deployment: Deployment, prepare: Callable[[Deployment], object] | None) -> None:
        self.deployment = deployment
        self._dynamodb = dynamodb_backends[ACCOUNT][REGION]
        sqs = sqs_backends[ACCOUNT][REGION]
        self._tables = {
            table.ref: [key["AttributeName"] for key in table.properties["KeySchema"]]
            for table in deployment.resources("AWS::DynamoDB::")
        }
        self._queues = {
            queue.ref: sqs.queues[queue.ref.rpartition("/")[2]]
            for queue in deployment.resources("AWS::SQS::Queue")
        }
        self.read()
        self._original = self._present
        self._wanted = {
            name: [*items, {key: {"S": _CANARY} for key in [*self._tables[name], "secret"]}]
            for name, items in self._present.items()
        }
        self.restore()
        if prepare is not None:
            prepare(deployment)
            self.read()
            self._wanted = self._present

    def read(self) -> dict[str, Any]:
        """Everything that is there now, items by their keys."""
        self._present = {name: self._items(name) for name in self._tables}
        self._bodies = {
            url: sorted(message.body for message in queue.messages) for url, queue in self._queues.items()
        }
        return self._contents()

    def restore(self) -> dict[str, Any]:
        """Bring everything back, from what was last read, and give it."""
        for name, wanted in self._wanted.items():
            present = self._present[name]
            for item in (item for item in present if item not in wanted):
                self._dynamodb.delete_item(name, {key: item[key] for key in self._tables[name]})
            for item in (item for item in wanted if item not in present):
                self._dynamodb.put_item(name, item)
        for url in (url for url, bodies in self._bodies.items() if bodies):
            self._queues[url]._messages.clear()  # noqa: SLF001  # a queue is purged once a minute at most
        self._present = self._wanted
        self._bodies = {url: [] for url in self._queues}
        return self._contents()

    def close(self) -> None:
        """Bring everything back and take the canaries away."""
        self._wanted = self._original
        self.restore()

    def _items(self, table: str) -> list[dict[str, Any]]:
        return [item.to_json()["Attributes"] for item in self._dynamodb.get_table(table).all_items()]

    def _contents(self) -> dict[str, Any]:
        def key(name: str, item: Mapping[str, Any]) -> str:
            return " ".join(str(next(iter(item[attribute].values()))) for attribute in self._tables[name])

        return {
            "tables": {
                name: {key(name, item): item for item in items} for name, items in self._present.items()
            },
            "queues": {url: [_tree(body) for body in bodies] for url, bodies in self._bodies.items()},
        }


def _unclean(response: HttpResponse) -> str | None:
    """Why a 4xx is not a clean problem document."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0]
    if media_type != "application/problem+json":
        return f"{response.status} is {media_type or 'without a type'}, not application/problem+json: {response.body}"
    try:
        problem = response.json()
    except ValueError as error:
        return str(error)
    if not isinstance(problem, dict) or problem.get("status") != response.status or not problem.get("title"):
        return f"{response.status} without status and title: {response.body}"
    leaked = re.search(r"amazonaws|Exception|Traceback|arn:aws", response.body)
    return f"{response.status} shows its inside ({leaked[0]}): {response.body}" if leaked else None


# Trees ----------------------------------------------------------------------------------------------------------------


def _tree(text: str) -> Any:
    """JSON inside JSON decoded as far as it goes, forms as objects, other text as it is."""
    try:
        decoded = json.loads(text)
    except ValueError:
        form = parse_qs(text, keep_blank_values=True) if "Action=" in text else None
        return {name: _tree(values[0]) for name, values in form.items()} if form else text
    return _nested(decoded) if isinstance(decoded, dict | list) else text


def _nested(value: Any) -> Any:
    if isinstance(value, dict):
        # What a workflow or an event is given is JSON in a string; other strings are the caller's and stay whole.
        return {
            k: _tree(v) if k in ("input", "Detail") and isinstance(v, str) else _nested(v)
            for k, v in value.items()
        }
    return [_nested(item) for item in value] if isinstance(value, list) else value


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


def _leaf_paths(body: Any) -> list[tuple[Any, ...]]:
    return [path for path, _ in _leaves(body) if path]


def _replaced(body: Any, path: tuple[Any, ...], value: str) -> Any:
    if not path:
        return value
    if isinstance(body, dict):
        return {**body, path[0]: _replaced(body[path[0]], path[1:], value)}
    return [_replaced(item, path[1:], value) if index == path[0] else item for index, item in enumerate(body)]


def _in_place(found: Any, harmless: str, value: str) -> Any:
    if isinstance(found, tuple):
        return tuple(_in_place(part, harmless, value) for part in found)
    return found.replace(harmless, value) if harmless and isinstance(found, str) else found


def _same(expected: Any, found: Any) -> bool:
    """Equal but for identifiers and times, which differ from request to request."""
    return bool(expected == found) or _without_volatile(expected) == _without_volatile(found)


def _without_volatile(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _without_volatile(str(value))
    if not isinstance(value, str):
        return value
    for pattern in (_UUID, _TIME, _EPOCH):
        value = pattern.sub("*", value)
    return value


def _dotted(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))
