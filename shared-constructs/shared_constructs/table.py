"""The one shape of table that every service uses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Validations
from aws_cdk.aws_dynamodb import (
    Attribute,
    AttributeType,
    BillingMode,
    PointInTimeRecoverySpecification,
    ProjectionType,
    StreamViewType,
    Table,
    TableEncryption,
)
from constructs import Construct

from shared_constructs.customize import Customization
from shared_constructs.service import ServiceStack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk.aws_dynamodb import ITable

    from shared_constructs.customize import Customize

MAX_INDEXES = 20
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html"""

TTL_ATTRIBUTE = "expiresAtEpoch"
"""When an item expires, in seconds since 1970; deletion follows within days, so readers compare it themselves."""


@dataclass(frozen=True, kw_only=True)
class TableResources:
    """What a `ServiceTable` consists of.

    Attributes:
        table: The table with its indexes.
    """

    table: Table


class ServiceTable(Construct):
    """A DynamoDB table with the platform's conventions.

    Keys `pk` and `sk`, both strings; each index `gsi<n>` has `gsi<n>pk` and `gsi<n>sk` and projects every
    attribute. On-demand, encrypted with DynamoDB's own key (no cost per request, no key policy to lock oneself out
    with), point-in-time recovery, deletion protection and removal policy per stage, no physical name. Streams carry
    new and old images, as `ChangeFeed` needs them.

    An `AWS::DynamoDB::Table` and not a global table: the platform is of one region, and the type decides at
    creation only.

    Example:
        >>> app = ServiceApp(service="cart", stage="dev")
        >>> stack = ServiceStack(app, kind=StackKind.STATEFUL)
        >>> carts = ServiceTable(stack, "Carts", indexes=("gsi1",), ttl=True)

    Args:
        scope: A stateful `ServiceStack`, or a construct in one.
        construct_id: The id there.
        indexes: Names of global secondary indexes, `gsi1` to `gsi20`.
        stream: Whether changes are streamed; `ChangeFeed` is to be a stream's only reader.
        ttl: Whether items may carry `expiresAtEpoch`.
        customize: Properties of the `table` that the conventions leave open.

    Raises:
        ValueError: An index name other than `gsi1` to `gsi20`, or one given twice; a customized convention.

    Attributes:
        resources: The table, as the CDK knows it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        indexes: Sequence[str] = (),
        stream: bool = False,
        ttl: bool = False,
        customize: Customize | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        _check_indexes(indexes)
        stage = ServiceStack.of(self).stage
        conventions = {
            "partition_key": _string("pk"),
            "sort_key": _string("sk"),
            "stream": StreamViewType.NEW_AND_OLD_IMAGES if stream else None,
            "time_to_live_attribute": TTL_ATTRIBUTE if ttl else None,
        }
        properties = Customization(customize, "table").of(
            "table",
            enforced=conventions,
            billing_mode=BillingMode.PAY_PER_REQUEST,
            encryption=TableEncryption.DEFAULT,
            point_in_time_recovery_specification=PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=stage.point_in_time_recovery
            ),
            deletion_protection=stage.deletion_protection,
            removal_policy=stage.removal_policy,
        )
        table = Table(self, "Table", **properties)
        self.resources = TableResources(table=table)
        for index in indexes:
            table.add_global_secondary_index(
                index_name=index,
                partition_key=_string(f"{index}pk"),
                sort_key=_string(f"{index}sk"),
                projection_type=ProjectionType.ALL,
            )
        if not stage.point_in_time_recovery:
            Validations.of(table).acknowledge(
                Acknowledgment(
                    id="AwsSolutions-DDB3",
                    reason="The data of this stage is made up and can be loaded again.",
                )
            )


def cdk_table(table: ServiceTable | ITable) -> ITable:
    """The CDK's table, whichever of both a construct was given.

    Args:
        table: A `ServiceTable` or a table.
    """
    return table.resources.table if isinstance(table, ServiceTable) else table


def _string(name: str) -> Attribute:
    return Attribute(name=name, type=AttributeType.STRING)


def _check_indexes(indexes: Sequence[str]) -> None:
    for index in indexes:
        number = re.fullmatch(r"gsi([1-9]\d?)", index)
        if not number or int(number[1]) > MAX_INDEXES:
            raise ValueError(f"an index must be named gsi1 to gsi{MAX_INDEXES}, got {index!r}")
    if len(set(indexes)) < len(indexes):
        raise ValueError(f"each index must be named once, got {', '.join(indexes)}")
