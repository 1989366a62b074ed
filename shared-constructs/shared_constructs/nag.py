"""The rules that the CDK runs while an app is synthesized: cdk-nag's AwsSolutions and its own template validator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

if TYPE_CHECKING:
    from aws_cdk import App


def add_rules(app: App) -> None:
    """Check every resource of an app; a finding fails synthesis.

    A finding that does not apply is acknowledged on the very resource, by its granular id and with the reason:

        Validations.of(role).acknowledge(Acknowledgment(id="AwsSolutions-IAM5[Resource::*]", reason="…"))

    Args:
        app: The app, before anything is in it.
    """
    # Findings of the CDK's own validator are errors by a feature flag, not warnings.
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
