"""Which browser pages may call an API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aws_cdk import Duration
from aws_cdk.aws_apigateway import CorsOptions

from shared_constructs.direct_api.vtl import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
RESPONSE_HEADERS: Final = ("Content-Type", "ETag", "Location", "Retry-After", "X-Correlation-Id")
_REQUEST_HEADERS: Final = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-Correlation-Id")
_EXPOSED: Final = f"'{','.join(RESPONSE_HEADERS)}'"


@dataclass(frozen=True, kw_only=True)
class Cors:
    """Which browser pages may call the API. Tokens travel in a header, so credentials mode stays off.

    Attributes:
        origins: `https://shop.example.com`, or `*`.
        max_age: How long a browser may keep the answer to its preflight.
    """

    origins: Sequence[str]
    max_age: Duration = Duration.hours(1)  # noqa: RUF009 - a Duration never changes

    def __post_init__(self) -> None:
        if not self.origins or ("*" in self.origins and len(self.origins) > 1):
            raise ValueError(f"Cors needs origins: some, or only '*', got {list(self.origins)}")

    def preflight(self) -> CorsOptions:
        """Return the answer to OPTIONS."""
        return CorsOptions(
            allow_origins=list(self.origins),
            allow_methods=list(METHODS),
            allow_headers=list(_REQUEST_HEADERS),
            expose_headers=list(RESPONSE_HEADERS),
            max_age=self.max_age,
        )

    def gateway_headers(self) -> dict[str, str]:
        """Return the headers of the gateway's own answers.

        They cannot choose between origins; without credentials "*" gives nothing away.
        """
        origin = self.origins[0] if len(self.origins) == 1 else "*"
        return {
            "Access-Control-Allow-Origin": f"'{origin}'",
            "Access-Control-Expose-Headers": _EXPOSED,
        }

    def headers(self) -> dict[str, str]:
        """Return the headers of an integration's answers that do not depend on the caller."""
        headers = {"Access-Control-Expose-Headers": _EXPOSED}
        origin = self.origins[0]
        if len(self.origins) == 1:
            headers["Access-Control-Allow-Origin"] = f"'{origin}'"
        if origin != "*":
            headers["Vary"] = "'Origin'"
        return headers

    def template(self) -> str:
        """Return the part of a response template that answers with the caller's origin, where several are allowed."""
        if len(self.origins) == 1:
            return ""
        allowed = " || ".join(f"$origin == {literal(each)}" for each in self.origins)
        return (
            '#set($origin = "")#foreach($name in $input.params().header.keySet())'
            "#if($name.equalsIgnoreCase('Origin'))#set($origin = $input.params().header.get($name))#end#end"
            f"#if({allowed})#set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)#end\n"
        )
