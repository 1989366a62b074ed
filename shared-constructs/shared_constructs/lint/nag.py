"""cdk-nag's AwsSolutions rules, run by the CDK itself while an app is synthesized."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

if TYPE_CHECKING:
    from aws_cdk import App


def add_nag(app: App) -> None:
    """Check every resource of an app against the AwsSolutions rules; a finding fails synthesis.

    A finding that does not apply is acknowledged on the very resource, by its granular id and with the reason::

        Validations.of(role).acknowledge(Acknowledgment(id="AwsSolutions-IAM5[Resource::*]", reason="…"))
    """
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
