"""Saying why the wildcards of a policy are as narrow as AWS lets them be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Aws, Validations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_cdk.aws_iam import PolicyStatement
    from constructs import IConstruct

_TOKENS = {Aws.PARTITION: "<AWS::Partition>", Aws.REGION: "<AWS::Region>", Aws.ACCOUNT_ID: "<AWS::AccountId>"}


def acknowledge_wildcards(where: IConstruct, statements: Iterable[PolicyStatement], reason: str) -> None:
    """Acknowledge each wildcard action and resource of some statements, by cdk-nag's granular id.

    Args:
        where: The role or managed policy.
        statements: Of its policy; those without wildcards are left alone.
        reason: Why nothing narrower is possible.
    """
    found = [
        f"{kind}::{text}"
        for statement in statements
        if str(statement.effect).endswith("ALLOW")
        for kind, texts in (("Action", statement.actions), ("Resource", statement.resources))
        for text in texts
        if "*" in text
    ]
    for each in dict.fromkeys(found):
        text = each
        for token, shown in _TOKENS.items():
            text = text.replace(token, shown)
        Validations.of(where).acknowledge(Acknowledgment(id=f"AwsSolutions-IAM5[{text}]", reason=reason))
