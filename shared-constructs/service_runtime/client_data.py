"""What botocore reads and registers to make a client, without what is only for services that are not asked for."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST
from botocore.loaders import JSONFileLoader, Loader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.session import Session


def register_handlers(session: Session, service: str) -> None:
    """Register those of botocore's own handlers that are for all services or for this one.

    Nine of ten are for S3, EC2 and others, or for documentation; for each botocore looks through 65 former names of services.

    Args:
        session: Made without them.
        service: As boto3 names it.
    """
    events = session.get_component("event_emitter")
    register = {REGISTER_FIRST: events.register_first, REGISTER_LAST: events.register_last}
    names = {service, session.get_service_model(service).service_id.hyphenize()}
    for event, handler, *place in BUILTIN_HANDLERS:
        # What it is about and, of most, the service: `before-parameter-build.s3.PutObject`.
        topic, *of = event.split(".")[:2]
        if topic != "docs" and names.issuperset(of):
            (register[place[0]] if place else events.register)(event, handler)


class _Files(JSONFileLoader):
    """Reads into plain dictionaries, which keep their order as botocore's do and are made in half the time."""

    def load_file(self, file_path: str) -> Any:
        for suffix, opened in ((".json", open), (".json.gz", gzip.open)):
            try:
                with opened(file_path + suffix, "rb") as file:
                    return json.load(file)
            except FileNotFoundError:
                continue
        return None


class RegionalService(Loader):
    """botocore's own data for a client of one service that has an endpoint in every region.

    Two things are not read. Which services there are: botocore looks through some 400 directories, twice, to see whether
    the one that is asked for is among them. And `endpoints.json`, 1.2 MB with what was once special about each service in
    each region: botocore takes a request's endpoint from the service's own rules, and from here only a region's partition
    and the usual signature.

    Args:
        service: As boto3 names it.
    """

    def __init__(self, service: str) -> None:
        super().__init__(file_loader=_Files())
        self._service = service

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's signature
        """The service, of which botocore then finds the version."""
        return [self._service]

    def load_data_with_path(self, name: str) -> tuple[Any, str]:
        """Data and where they are; endpoints are those of the partitions."""
        if name != "endpoints":
            loaded: tuple[Any, str] = super().load_data_with_path(name)
            return loaded
        found, path = super().load_data_with_path("partitions")
        return {"version": 3, "partitions": [_partition(each) for each in found["partitions"]]}, path


def _partition(known: Mapping[str, Any]) -> dict[str, Any]:
    """A partition of `partitions.json`, written as `endpoints.json` has it."""
    suffix, dual_stack = known["outputs"]["dnsSuffix"], known["outputs"]["dualStackDnsSuffix"]
    usual, fips = "{service}.{region}.{dnsSuffix}", "{service}-fips.{region}.{dnsSuffix}"
    return {
        "partition": known["id"],
        "regionRegex": known["regionRegex"],
        "regions": known["regions"],
        "dnsSuffix": suffix,
        "services": {},
        "defaults": {
            "hostname": usual,
            "protocols": ["https"],
            "signatureVersions": ["v4"],
            "variants": [
                {"tags": ["fips"], "hostname": fips, "dnsSuffix": suffix},
                {"tags": ["dualstack"], "hostname": usual, "dnsSuffix": dual_stack},
                {"tags": ["dualstack", "fips"], "hostname": fips, "dnsSuffix": dual_stack},
            ],
        },
    }
