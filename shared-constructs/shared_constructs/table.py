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
    from collections.abc import Iterable, Mapping, Sequence

    from aws_cdk.aws_dynamodb import ITable

    from shared_constructs.customize import Customize

MAX_INDEXES = 20
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html"""

MAX_PROJECTED = 100
"""The same page: non-key attributes that all indexes of a table hold together."""

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

    Keys `pk` and `sk`, both strings; each index `gsi<n>` has `gsi<n>pk` and `gsi<n>sk`, and holds these keys and the
    attributes that it is given: those that its route returns (`attributes_of(Model)`), never all, since every write
    is paid again per index that it changes. On-demand, encrypted with DynamoDB's own key (no cost per request, no key policy to lock oneself out
    with), point-in-time recovery, deletion protection and removal policy per stage, no physical name. Streams carry
    new and old images, as `ChangeFeed` needs them.

    What an index of a deployed table holds cannot change in place: CloudFormation refuses it. Add a new index, read that
    one, then remove the old one; one index is made or removed per deployment.

    An `AWS::DynamoDB::Table` and not a global table: the platform is of one region, and the type decides at
    creation only.

    Examples:
        >>> app = ServiceApp(service="cart", stage="dev")
        >>> stack = ServiceStack(app, kind=StackKind.STATEFUL)
        >>> carts = ServiceTable(stack, "Carts", indexes={"gsi1": ("status", "total")}, ttl=True)

    Args:
        scope: A stateful `ServiceStack`, or a construct in one.
        construct_id: The id there.
        indexes: Global secondary indexes, `gsi1` to `gsi20`, and the attributes that each holds besides keys; none for
            one that holds keys only.
        stream: Whether changes are streamed; `ChangeFeed` is to be a stream's only reader.
        ttl: Whether items may carry `expiresAtEpoch`.
        customize: Properties of the `table` that the conventions leave open.

    Raises:
        ValueError: An index name other than `gsi1` to `gsi20`, more than 100 attributes over all indexes, or a
            customized convention.

    Attributes:
        resources: The table, as the CDK knows it.
        ttl: As given.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        indexes: Mapping[str, Iterable[str]] | None = None,
        stream: bool = False,
        ttl: bool = False,
        customize: Customize | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.ttl = ttl
        self._held = {name: _held(name, attributes) for name, attributes in (indexes or {}).items()}
        _check_indexes(self._held)
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
        for index, held in self._held.items():
            table.add_global_secondary_index(
                index_name=index,
                partition_key=_string(f"{index}pk"),
                sort_key=_string(f"{index}sk"),
                projection_type=ProjectionType.INCLUDE if held else ProjectionType.KEYS_ONLY,
                non_key_attributes=held or None,
            )
        if not stage.point_in_time_recovery:
            Validations.of(table).acknowledge(
                Acknowledgment(
                    id="AwsSolutions-DDB3",
                    reason="The data of this stage is made up and can be loaded again.",
                )
            )

    def attributes_of(self, index: str) -> frozenset[str]:
        """Names of all attributes that an index holds, keys included.

        Args:
            index: One of `indexes`.
        """
        return frozenset((*_keys(index), *self._held[index]))


def cdk_table(table: ServiceTable | ITable) -> ITable:
    """The CDK's table, whichever of both a construct was given.

    Args:
        table: A `ServiceTable` or a table.
    """
    return table.resources.table if isinstance(table, ServiceTable) else table


def _string(name: str) -> Attribute:
    return Attribute(name=name, type=AttributeType.STRING)


def _keys(index: str) -> tuple[str, ...]:
    return ("pk", "sk", f"{index}pk", f"{index}sk")


def _held(index: str, attributes: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(attributes) if name not in _keys(index)]


def _check_indexes(held: Mapping[str, Sequence[str]]) -> None:
    for index in held:
        number = re.fullmatch(r"gsi([1-9]\d?)", index)
        if not number or int(number[1]) > MAX_INDEXES:
            raise ValueError(f"an index must be named gsi1 to gsi{MAX_INDEXES}, got {index!r}")
    if (total := sum(map(len, held.values()))) > MAX_PROJECTED:
        raise ValueError(f"the indexes of a table hold at most {MAX_PROJECTED} attributes, got {total}")
