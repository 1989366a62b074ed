"""Change control over several services: what breaks whom, offline.

A change is judged against the last release, kept beside what is published (`published/released/`), and against everybody's
models that are at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from service_contracts import schemas
from service_contracts.compatibility import Kind, api_changes, change, reads, unmet
from service_contracts.locks import digest
from service_contracts.service import OPENAPI

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from service_contracts.compatibility import Change
    from service_contracts.schemas import Schema
    from service_contracts.service import Contracts

NEW_MAJOR: Final = "publish it as the next major beside this one, until its last consumer has gone"


@dataclass
class Report:
    """What is to be said of the contracts.

    Attributes:
        faults: What must not be merged.
        changes: Contract → how it differs from its release, where it does.
        notices: What somebody should know.
    """

    faults: list[str] = field(default_factory=list)
    changes: dict[str, Kind] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def check(services: Sequence[Contracts]) -> Report:
    """Check what these services publish and consume.

    Args:
        services: All that are at hand; consumers of a service are known as far as they are among them.
    """
    report = Report()
    for contracts in services:
        report.faults += [f"{contracts.service}-service: {each}" for each in contracts.lock.faults()]
        _check_consumed(contracts, services, report)
    for contracts in services:
        _check_events(contracts, services, report)
        _check_api(contracts, report)
    return report


def release(contracts: Contracts) -> None:
    """Make what a service publishes now the baseline of future changes.

    Args:
        contracts: Of the service.
    """
    folder = contracts.released_folder
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        path.unlink()
    for name, schema in contracts.committed().items():
        (folder / f"{name}.json").write_text(schemas.text(schema))
    if api := contracts.api():
        (folder / OPENAPI).write_text(schemas.text(api))


# ------------------------------------------------------------------------------------------------------------ consumers
def _check_consumed(contracts: Contracts, services: Sequence[Contracts], report: Report) -> None:
    """Every model against the locked copy, and against what is published now."""
    locked = contracts.lock.schemas()
    present = {(each.source, name): schema for each in services for name, schema in each.events.items()}
    sources = {each.source for each in services}
    who = f"{contracts.service}-service"
    for detail_type, model in contracts.consumed.items():
        copies = {key: schema for key, schema in locked.items() if key[1] == detail_type}
        if not copies:
            report.faults.append(
                f"{who} reads {detail_type} and has locked no copy of it: make contract-add SERVICE={who} "
                f"EVENT=<source>/{detail_type}"
            )
        wanted = schemas.of_model(model)
        for (source, _), copy in copies.items():
            name = f"{source}/{detail_type}"
            report.faults += [
                f"{who} breaks on {name} as locked: {each.message}" for each in unmet(wanted, copy)
            ]
            if (source, detail_type) in present:
                now = present[source, detail_type]
                report.faults += [f"{who} breaks on {name}: {each.message}" for each in unmet(wanted, now)]
                if digest(now) != digest(copy):
                    report.notices.append(
                        f"{who} has locked an older {name}: make contract-add SERVICE={who} EVENT={name}"
                    )
            elif source in sources:
                report.faults.append(f"{who} waits for {name}, which nobody publishes")
    report.notices += [
        f"{who} has locked {source}/{detail_type} and reads it nowhere"
        for source, detail_type in locked
        if detail_type not in contracts.consumed
    ]


def consumers(source: str, detail_type: str, services: Sequence[Contracts]) -> dict[str, Schema]:
    """What each consumer of an event reads of it, by the service's folder."""
    return {
        f"{each.service}-service": schemas.of_model(each.consumed[detail_type])
        for each in services
        if detail_type in each.consumed and (source, detail_type) in each.lock.schemas()
    }


# ------------------------------------------------------------------------------------------------------------ producers
def _check_events(contracts: Contracts, services: Sequence[Contracts], report: Report) -> None:
    released = contracts.released()
    for detail_type in released.keys() | contracts.events.keys():
        name = f"{contracts.source}/{detail_type}"
        reading = consumers(contracts.source, detail_type, services)
        if detail_type not in contracts.events:
            if reading:
                report.changes[name] = Kind.BREAKING
                report.faults.append(f"{name} is published no more, but read by {', '.join(sorted(reading))}")
            else:
                report.notices.append(f"{name} is retired: nobody here reads it")
            continue
        if detail_type not in released:
            report.changes[name] = Kind.ADDITIVE
            continue
        found = change(released[detail_type], contracts.events[detail_type])
        if found.kind is not Kind.SAFE:
            report.changes[name] = found.kind
        report.faults += _told(name, found, reading)
    report.notices += _superseded(contracts, services)


def _told(name: str, found: Change, reading: Mapping[str, Schema]) -> Iterator[str]:
    for each in found.faults:
        broken = sorted(service for service, schema in reading.items() if reads(schema, each.path))
        whom = f"breaks {', '.join(broken)}" if broken else "no consumer here reads it"
        yield f"{name} has changed incompatibly: {each.message}; {whom}; {NEW_MAJOR}"


def _superseded(contracts: Contracts, services: Sequence[Contracts]) -> Iterator[str]:
    majors: dict[str, list[int]] = {}
    for detail_type in contracts.events:
        fact, _, major = detail_type.rpartition(".v")
        majors.setdefault(fact, []).append(int(major))
    for fact, published in majors.items():
        for old in sorted(published)[:-1]:
            name = f"{contracts.source}/{fact}.v{old}"
            reading = sorted(consumers(contracts.source, f"{fact}.v{old}", services))
            rest = f"still read by {', '.join(reading)}" if reading else "read by nobody here: remove it"
            yield f"{name} is superseded by v{max(published)}, {rest}"


def _check_api(contracts: Contracts, report: Report) -> None:
    before, now = contracts.released_api(), contracts.api()
    name = f"{contracts.service} API"
    if before and not now:
        report.faults.append(f"{name} is gone")
    if before and now:
        found = api_changes(before, now)
        if found.kind is not Kind.SAFE:
            report.changes[name] = found.kind
        report.faults += [
            f"{name} has changed incompatibly: {each.message}; breaks its callers" for each in found.faults
        ]
