"""What the platform decides per stage about those who sign in; override it in cdk.json, `context.stages.<stage>`."""

from __future__ import annotations

import re
from typing import ClassVar, Self

from pydantic import Field, model_validator
from shared_constructs import ServiceSettings, StageName

ADDRESS = r"^(?:[^<>]+ <)?[^@\s<>]+@(?P<domain>[a-z0-9-]+(?:\.[a-z0-9-]+)+)>?$"
"""`shop@bakery.eu`, or with a name before it: `Bakery <shop@bakery.eu>`."""

HOST = r"[a-z0-9-]+(?:\.[a-z0-9-]+){2,}"
"""A host name of one's own: Cognito takes no apex domain of two labels without a record there."""

PREFIX = r"[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?"
"""A prefix domain: Cognito allows 63 characters, thirteen of which are a hyphen and the account's number."""

CERTIFICATE = r"^arn:aws[a-z-]*:acm:us-east-1:\d{12}:certificate/\S+$"
"""Certificates of sign-in pages are in us-east-1:
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-add-custom-domain.html"""

RESERVED = re.compile(r"(?:^|\.)(?:example\.(?:com|net|org)|example|invalid|localhost|test)$")
"""Domains that nobody can own (RFC 2606, RFC 6761): examples."""


class PlatformSettings(ServiceSettings):
    """Who sends mail to those who sign in, and where they do.

    Cognito's own sender is for trying things out: 50 mails a day for an account
    (https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html). Where customers are, SES sends, from an identity
    that it has verified in the platform's own account and region.
    """

    stages: ClassVar = {
        StageName.LOCAL: {"cognito_mail": True, "tools_sign_in": True, "sign_in_domain": "commerce-local"},
        StageName.DEV: {"cognito_mail": True, "tools_sign_in": True, "sign_in_domain": "commerce-dev"},
        StageName.STAGING: {"cognito_mail": True, "tools_sign_in": True},
    }

    mail_sender: str | None = Field(
        default=None,
        pattern=ADDRESS.replace("?P<domain>", ""),
        description="From whom mails are: an address, or `Name <address>`.",
    )
    mail_identity: str | None = Field(
        default=None,
        min_length=1,
        description="What SES has verified, a domain or an address; the sender's domain by default.",
    )
    cognito_mail: bool = Field(
        default=False, description="Without a sender Cognito's own will do, 50 mails a day."
    )
    tools_sign_in: bool = Field(
        default=False,
        description="Tools with credentials of the account may sign users in by password: smoke tests.",
    )
    sign_in_domain: str | None = Field(
        default=None,
        pattern=rf"^(?:{PREFIX}|{HOST})$",
        description="Where customers sign in: a prefix, which gets the account's number, or a host name with a certificate.",
    )
    sign_in_certificate_arn: str | None = Field(
        default=None, pattern=CERTIFICATE, description="Of `sign_in_domain`, if it is a host name."
    )
    operator_sign_in_urls: tuple[str, ...] = Field(
        default=(),
        description="Where the operators' sign-in page may return to; without any, their tools use SRP.",
    )
    operator_sign_in_domain: str | None = Field(
        default=None, pattern=rf"^(?:{PREFIX}|{HOST})$", description="As `sign_in_domain`, for operators."
    )
    operator_sign_in_certificate_arn: str | None = Field(
        default=None, pattern=CERTIFICATE, description="As `sign_in_certificate_arn`, for operators."
    )

    @model_validator(mode="after")
    def _certificates_are_for_host_names(self) -> Self:
        domains = {
            "sign_in": (self.sign_in_domain, self.sign_in_certificate_arn),
            "operator_sign_in": (self.operator_sign_in_domain, self.operator_sign_in_certificate_arn),
        }
        for name, (domain, certificate) in domains.items():
            if ("." in (domain or "")) != bool(certificate):
                raise ValueError(
                    f"{name}_certificate_arn belongs to a host name as {name}_domain, and a host name needs one; "
                    f"got {domain!r} and {certificate!r}"
                )
        if self.operator_sign_in_urls and not self.operator_sign_in_domain:
            raise ValueError(
                "operator_sign_in_urls need operator_sign_in_domain, the page that returns to them"
            )
        return self

    @property
    def sender_domain(self) -> str:
        """The domain of the sender; empty if there is none."""
        found = re.match(ADDRESS, self.mail_sender or "")
        return found["domain"] if found else ""

    @property
    def has_example_sender(self) -> bool:
        """Whether the sender is one that nobody can be."""
        return bool(RESERVED.search(self.sender_domain))
