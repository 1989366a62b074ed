"""Logs, metrics and traces of every account of a stage, seen from one: CloudWatch's cross-account observability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk.aws_oam import CfnLink, CfnSink
from constructs import Construct
from shared_constructs import ServiceStack

if TYPE_CHECKING:
    from collections.abc import Iterable

SHARED = ("AWS::CloudWatch::Metric", "AWS::Logs::LogGroup", "AWS::XRay::Trace")
"""What is seen. Of the rest that could be (Application Insights, Application Signals, Internet Monitor) there is nothing."""


class LogSink(Construct):
    """Where the other accounts of the stage show what they have; the log account's part.

    Nothing is copied and nothing is charged for logs and metrics: queries of this account reach into theirs
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Unified-Cross-Account.html). An account has one
    sink per region, so two stages cannot share a log account. Its ARN is published for discovery.

    Args:
        scope: The platform's stateless stack.
        construct_id: Its id there.
        sources: The accounts that may link to it, and no others.
    """

    def __init__(self, scope: Construct, construct_id: str, *, sources: Iterable[str]) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        sink = CfnSink(
            self,
            "Sink",
            name=f"commerce-{stack.stage.name.value}",
            policy={
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": sorted(sources)},
                        "Action": ["oam:CreateLink", "oam:UpdateLink"],
                        "Resource": "*",
                        "Condition": {"ForAllValues:StringEquals": {"oam:ResourceTypes": list(SHARED)}},
                    }
                ],
            },
        )
        stack.export_parameter("log-sink-arn", sink.attr_arn)


class LogLink(Construct):
    """What an account shows to the log account of its stage.

    Args:
        scope: The platform's stateless stack.
        construct_id: Its id there.
        sink: The log account's, in this region.
    """

    def __init__(self, scope: Construct, construct_id: str, *, sink: str) -> None:
        super().__init__(scope, construct_id)
        CfnLink(
            self,
            "Link",
            sink_identifier=sink,
            resource_types=list(SHARED),
            label_template="$AccountName",
        )
