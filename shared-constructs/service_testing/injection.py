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

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from service_testing.observation import CANARY, Ledger, Observation, leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from apigateway_engine import HttpResponse

    from service_testing.deployment import Deployment

# Texts that matter as the whole value: other types in disguise, blank, long.
_WHOLE_VALUES: Final[Sequence[str]] = (
    "null", "true", "-1", "1e400", "1234567890123456789012345678901234567890", " ", "'" * 300, "🥐" * 150, "x" * 3000,
)  # fmt: skip

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

JSON_TYPES: Final[Sequence[str]] = (
    "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON",
    'application/json ; charset="utf-8"; profile=x',
)  # fmt: skip
"""Ways to write one media type: case does not matter, nor do parameters (RFC 9110, 8.3.1)."""

# Characters of texts that are tried together first; short enough for the length limits of most fields.
_TOGETHER_LENGTH: Final = 80
# Where a probe keeps the fields of each location.
_ATTRIBUTES: Final = {
    "path": "path_parameters",
    "query": "query",
    "header": "headers",
    "claim": "claims",
    "body": "body",
    "body-name": "body",
    "body-text": "body",
}


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A request of one route that succeeds, each value occurring in one field only so that it can be told apart.

    Attributes:
        path: The route's template, `/products/{sku}`.
        path_parameters: A value for each placeholder, not encoded.
        prepare: Brings the tables into the state that the request needs; every request finds them so.
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
        location: Path, query, header, claim, body, or one of body-name (the name of a further field) and body-text (the
            whole body).
        name: Of the parameter; for body the keys and indexes that lead to it.
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
            AssertionError: Listing every value for which more came of it than it should.
        """
        ledger = Ledger(deployment, self.probe.prepare)
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

    def _try(self, ledger: Ledger, expected: Observation, group: list[str]) -> list[str]:
        """Findings on the values of a group: none if they came back unchanged in one text, else on each by itself."""
        if len(group) > 1:
            status, problem = self._judge(ledger, expected, " ".join(group))
            if problem is None and status < 300:  # noqa: PLR2004  # success
                return []
        findings = ((value, self._judge(ledger, expected, value)[1]) for value in group)
        return [f"{value[:60]!r}: {problem}" for value, problem in findings if problem]

    def _expected(self, ledger: Ledger) -> Observation:
        """What the probe does as it is; leaves that differ between two runs are the route's own (ids, times)."""
        first, second = ledger.observe(self.probe.send), ledger.observe(self.probe.send)
        if not 200 <= first.response.status < 300:  # noqa: PLR2004  # success
            raise AssertionError(f"{self.probe} itself must succeed: {first.response}")
        changing = (
            path
            for path in first.leaves
            if path in second.leaves and first.leaves[path] != second.leaves[path]
        )
        return replace(first, ignored=frozenset(changing))

    def _judge(self, ledger: Ledger, expected: Observation, value: str) -> tuple[int, str | None]:
        """The status that a value was answered with, and what is wrong with what came of it."""
        try:
            found = ledger.observe(self._with(value).send)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding about this value
            ledger.read()
            return 0, f"{type(error).__name__}: {error}"
        return found.response.status, self._problem(expected, found, value)

    def _problem(self, expected: Observation, found: Observation, value: str) -> str | None:
        response = found.response
        if CANARY in response.body:
            return f"an item of another owner is in the answer: {response.body}"
        if response.status >= 500 or response.status < 200:  # noqa: PLR2004  # HTTP's classes
            return f"{response.status} {response.body[:300]} ({response.cause})"
        if response.status >= 400:  # noqa: PLR2004  # HTTP's classes
            return _unclean(response) or (
                f"refused, but left {found.left}" if found.left != found.before else None
            )
        if self.location == "body-text":
            return None
        harmless = self._original()
        return expected.difference(found, harmless, value, as_given=not harmless)

    def _original(self) -> str:
        """The text in the probe's field; empty when it is no text."""
        value = getattr(self.probe, _ATTRIBUTES[self.location])
        for key in self.name:
            value = value[key] if isinstance(value, list) else (value or {}).get(key)
        return value if isinstance(value, str) else ""

    def _with(self, value: str) -> Probe:
        attribute = _ATTRIBUTES[self.location]
        name = (value,) if self.location == "body-name" else self.name
        return replace(self.probe, **{attribute: _replaced(getattr(self.probe, attribute), name, value)})

    def _can_carry(self, value: str) -> bool:
        if self.location == "header":
            return value == value.strip() and all(" " <= char <= "~" or char == "\t" for char in value)
        return not (self.location == "path" and value in ("", ".", ".."))


class JsonTypeCase(InjectionCase):
    """The type of a probe's body, written in every way that means the same: each must be taken, and leave the same."""

    def _groups(self) -> list[list[str]]:
        return [[value] for value in self.values]

    def _problem(self, expected: Observation, found: Observation, value: str) -> str | None:
        if found.response.status != expected.response.status:
            return (
                f"{found.response.status} instead of {expected.response.status}: {found.response.body[:300]}"
            )
        return super()._problem(expected, found, value)


def injection_cases(
    probes: Iterable[Probe], *, values: Sequence[str] = HOSTILE_VALUES
) -> list[InjectionCase]:
    """One case for every field of every probe.

    Path, query and header parameters, claims, body fields; a further body field by a hostile name, the whole body as
    text, and the correlation id header, which every route takes. And the content type of every body.

    Args:
        probes: One request per route.
        values: What is sent.
    """
    cases = []
    for probe in probes:
        fields: list[tuple[str, tuple[Any, ...]]] = [("path", (name,)) for name in probe.path_parameters]
        fields += [("query", (name,)) for name in probe.query]
        fields += [("header", (name,)) for name in {"X-Correlation-Id": "", **probe.headers}]
        fields += [("claim", (name,)) for name in probe.claims or {}]
        fields += [("body", path) for path, _ in leaves(probe.body) if path]
        if isinstance(probe.body, dict):
            fields += [("body-name", ()), ("body-text", ())]
        cases += [InjectionCase(probe=probe, location=at, name=name, values=values) for at, name in fields]
        if probe.body is not None:
            cases.append(
                JsonTypeCase(probe=probe, location="header", name=("Content-Type",), values=JSON_TYPES)
            )
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


def _replaced(tree: Any, path: tuple[Any, ...], value: str) -> Any:
    if not path:
        return value
    if isinstance(tree, list):
        return [
            _replaced(item, path[1:], value) if index == path[0] else item for index, item in enumerate(tree)
        ]
    return {**(tree or {}), path[0]: _replaced((tree or {}).get(path[0]), path[1:], value)}


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
