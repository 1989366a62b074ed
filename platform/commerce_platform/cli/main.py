"""The verbs, one function each. The Makefile calls them; `--help` of each says what it takes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path  # noqa: TC003 - typer evaluates the annotations
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.text import Text
from typer.exceptions import TyperException

from commerce_platform.cli import cdk, emulator, servers, site, standing, topologies
from commerce_platform.cli.board import Board
from commerce_platform.cli.checks import LIBRARY
from commerce_platform.cli.cloud import Cloud, accounts, endpoints, write_endpoints
from commerce_platform.cli.errors import CliError, in_makes_words, of_aws
from commerce_platform.cli.process import tool_environment
from commerce_platform.cli.state import State
from commerce_platform.cli.workspace import LOCAL, PLATFORM, STAGES, Workspace

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from service_topology import Place

    from commerce_platform.cli.review import Change, States
    from commerce_platform.cli.workspace import App

INTERRUPTED = 130
REFUSED = 2

cli = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
output = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def _stage(value: str) -> str:
    if value not in STAGES:
        raise typer.BadParameter(f"STAGE is one of {', '.join(STAGES)}; got {value!r}.")
    return value


Service = Annotated[str | None, typer.Option(help="A folder's name: cart-service. All of them without it.")]
Services = Annotated[
    list[str] | None,
    typer.Option("--service", help="A folder's name or path, repeatedly for several. All without it."),
]
Stage = Annotated[str, typer.Option(callback=_stage, help=f"One of {', '.join(STAGES)}.")]
Topology = Annotated[
    str | None,
    typer.Option(help="Who lives in which account: a name in topologies, or a file (single)."),
]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Where to serve the local cloud (4566); 0: anywhere.")
]


@cli.command()
def up(port: Port = None, service: Services = None, topology: Topology = None) -> None:
    """Start the local cloud and deploy every app to it, or the platform and those that are named."""
    began = time.monotonic()
    workspace = topologies.chosen(Workspace.here(), topology)
    apps = _with_platform(workspace, [workspace.app(name) for name in service or ()] or workspace.apps)
    if not apps:
        raise CliError("There is no app to deploy: no folder has a cdk.json and an app.py.")
    with servers.alone(workspace, output):
        try:
            with Board(output) as board:
                cloud = _complete(standing.stand_up(workspace, board, apps, port))
        except CliError:
            # What was deployed can be used, and looked into, while the rest is put right.
            if stands := standing.current(workspace):
                write_endpoints(topologies.chosen(Workspace.here(), None), stands, site.address(workspace))
            raise
        workspace = topologies.chosen(Workspace.here(), None)
        if not service:
            site.start(workspace, anywhere=port == 0)
        write_endpoints(workspace, cloud, site.address(workspace))
    output.print(f"Everything is up after {time.monotonic() - began:.0f} s. Stop it with: make down")


@cli.command()
def down(
    port: Annotated[
        int | None, typer.Option(help="Stop the one that serves there, of whichever folder.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Stop every one of this repository.")] = False,
) -> None:
    """Stop the local cloud, and the site beside it. What was in the cloud is gone."""
    here = Workspace.here()
    if port is not None:
        local = emulator.on_port(port)
        if not local:
            raise CliError(f"No local cloud that make has started serves on port {port}.")
        chosen = [Workspace(here.root, local)]
    elif every:
        chosen = [Workspace(here.root, local) for root, local in servers.instances() if root == here.root]
    else:
        chosen = [here]
    for workspace in chosen:
        with servers.alone(workspace, output):
            site.stop(workspace)
            stopped = emulator.stop(workspace)
            topologies.forget(workspace)
        if stopped:
            output.print(f"The local cloud on port {stopped.port} is stopped.")
        elif not every:
            output.print("The local cloud was not running.")


@cli.command()
def status() -> None:
    """Show what runs, what is deployed, and whether it is current."""
    workspace = topologies.chosen(Workspace.here(), None)
    cloud = standing.current(workspace)
    if not cloud:
        output.print("The local cloud does not run. Start it: make up")
        return
    own, *_ = accounts(workspace, cloud)
    state = State.load(workspace, own.identity())
    instance = None if Cloud.given() else emulator.running(workspace)
    if instance:
        minutes = (time.time() - instance.started_at) / 60
        code = (
            "current"
            if instance.code == workspace.emulator_code
            else "older than its code here: make up restarts it"
        )
        output.print(f"Local cloud  {cloud.endpoint}  process {instance.pid}, up {minutes:.0f} min, {code}")
    else:
        output.print(f"Cloud of AWS_ENDPOINT_URL  {cloud.endpoint}")
    services = endpoints(workspace, cloud)["services"]
    for app in workspace.apps:
        known = state.apps.get(app.name)
        at = time.strftime("%H:%M:%S", time.localtime(known.at)) if known else "--:--:--"
        said, colour = standing.condition(workspace, app, cloud, known)
        account = cloud.at(topologies.place(workspace, app, LOCAL)).account
        url = services.get(app.service, {}).get("apiUrl", "")
        line = f"{app.name:<20} {at}  [{colour}]{said:<14}[/]  {account}  {url}"
        output.print(line.rstrip(), soft_wrap=True)


@cli.command()
def trace(
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="An aggregate's or a correlation's id.")
    ] = None,
) -> None:
    """Show everything that happened to an order, a payment, a request, below what set it off."""
    from commerce_platform.cli import trace as traces  # noqa: PLC0415 - needed here alone

    identifier, *others = ids or [""]
    if others:
        raise CliError("ORDER or ID, not both.", f"make trace ORDER={identifier}")
    workspace = topologies.chosen(Workspace.here(), None)
    cloud = standing.require_current(workspace)
    traces.show(list(accounts(workspace, cloud)), identifier, output)


@cli.command()
def logs(
    service: Service = None,
    stage: Stage = LOCAL,
    since: Annotated[str, typer.Option(help="From how long ago on: 30s, 10m, 2h, 1d.")] = "10m",
    order: Annotated[str | None, typer.Option(help="Only what names this order, or any other id.")] = None,
    *,
    raw: Annotated[bool, typer.Option(help="Entries as they were written, all of them.")] = False,
    once: Annotated[bool, typer.Option(help="Do not wait for more.")] = False,
) -> None:
    """Show and follow what a service's functions, workflows and APIs say, a line per entry, merged by time."""
    from commerce_platform.cli import logs as of  # noqa: PLC0415 - boto3 is slow to import

    wanted = of.Wanted(since=time.time() - of.seconds(since), about=order, raw=raw, follow=not once)
    workspace = topologies.chosen(Workspace.here(), None, stage)
    cloud = standing.require_current(workspace) if stage == LOCAL else None
    clouds = accounts(workspace, cloud) if cloud else [Cloud.of_the_caller()]
    with contextlib.suppress(KeyboardInterrupt):
        of.show(list(clouds), workspace.select(service), stage, wanted, output)


@cli.command()
def synth(service: Service = None, stage: Stage = LOCAL, topology: Topology = None) -> None:
    """Synthesize CloudFormation templates."""
    workspace = topologies.chosen(Workspace.here(), topology, stage)
    apps = workspace.select(service)
    _synthesize(workspace, apps, stage)
    for app in apps:
        for template in sorted(workspace.assembly(app, stage).glob("*.template.json")):
            output.print(str(template.relative_to(workspace.root)), soft_wrap=True)


@cli.command()
def diff(
    service: Service = None,
    stage: Stage = LOCAL,
    against: Annotated[
        str | None,
        typer.Option(
            help="Without AWS, beside a commit (origin/main) or a folder of templates that were kept."
        ),
    ] = None,
    topology: Topology = None,
) -> None:
    """Show what a deployment would change."""
    workspace = topologies.chosen(Workspace.here(), topology, stage)
    if against:
        _changes(workspace, service, stage, against)
        return
    apps = workspace.select(service)
    homes = _homes(workspace, apps, stage)
    _synthesize(workspace, apps, stage)
    for app in apps:
        _cdk(workspace, app, stage, "diff", homes[app])


@cli.command("review")
def review_changes(
    service: Service = None,
    stage: Stage = "prod",
    against: Annotated[
        str, typer.Option(help="A commit, or a folder of templates that were kept.")
    ] = "origin/main",
    allow: Annotated[
        str, typer.Option(help="The labels that are given, with spaces: stateful permissions.")
    ] = "",
) -> None:
    """Show what merging would change, and fail where data could be lost or somebody may do more, unless that is allowed."""
    from commerce_platform.cli import review  # noqa: PLC0415 - needed here alone

    workspace, allowed = Workspace.here(), allow.split()
    if unknown := set(allowed) - set(review.LABELS):
        known = "; ".join(f"{label}: {meaning}" for label, meaning in review.LABELS.items())
        raise CliError(f"No label is called {', '.join(sorted(unknown))}.", f"ALLOW takes {known}.")
    states, found = _changes(workspace, service, stage, against)
    cost = review.cost(workspace, states, stage)
    output.print(cost, markup=False, soft_wrap=True)
    comment = workspace.root / review.CACHE / "review.md"
    comment.parent.mkdir(parents=True, exist_ok=True)
    comment.write_text(review.markdown(found, stage, against, allowed, cost=cost))
    output.print(f"As a comment: {comment.relative_to(workspace.root)}", soft_wrap=True)
    if refused := sorted({flag.label for change in found for flag in change.flags} - set(allowed)):
        raise CliError(
            f"Needs somebody's consent: {', '.join(f'{label} ({review.LABELS[label]})' for label in refused)}.",
            f"If it is meant: label the pull request, or make review ALLOW='{' '.join([*allowed, *refused])}'",
        )


def _changes(
    workspace: Workspace, service: str | None, stage: str, against: str
) -> tuple[States, list[Change]]:
    from commerce_platform.cli import review  # noqa: PLC0415 - needed here alone

    with Board(errors) as board:
        states = _complete(review.states(workspace, service, stage, against, board))
        found = review.compare(workspace, states.before, states.after)
    for change in found:
        output.rule(change.stack)
        output.print(Text.from_ansi(change.text), soft_wrap=True)
        for flag in change.flags:
            output.print(f"{flag.label}: ", style="bold red", end="")
            output.print(Text.from_ansi(flag.what), soft_wrap=True)
    if not found:
        output.print(
            f"Nothing would change in {stage}: every template is as it was at {against}.", soft_wrap=True
        )
    return states, found


@cli.command("release-check")
def release_check() -> None:
    """Say which version the library must have, from what has changed since its last release; fail if it has a lower one."""
    from commerce_platform.cli import release, review  # noqa: PLC0415 - needed here alone

    workspace = Workspace.here()
    library = workspace.root / LIBRARY
    version = release.version_of(library)
    release.check_changelog(library, version)
    last = release.last_release(workspace.root, version)
    if last is None:
        output.print(f"{release.written(version)} is the first release: there is nothing to compare with.")
        return
    before = review.checked_out(workspace, f"{release.TAG}{release.written(last)}").root / LIBRARY
    found = release.changes(before, library)
    for change in found:
        output.print(f"{change.level.name.lower()}: {change.what}", soft_wrap=True, markup=False)
    least = release.demanded(last, found)
    output.print(
        f"After {release.written(last)} at least {release.written(least)}; it is {release.written(version)}."
    )
    if version < least:
        raise CliError(
            f"The version {release.written(version)} is too low for what has changed.",
            f"Write {release.written(least)} into {LIBRARY}/pyproject.toml, and a section of it into its CHANGELOG.md.",
        )


@cli.command("release")
def build_release() -> None:
    """Build wheels and source distributions of what is released, the same bytes everywhere, and print their digests."""
    from commerce_platform.cli import release  # noqa: PLC0415 - needed here alone

    root = Workspace.here().root
    for path, digest in release.build(root).items():
        output.print(f"{digest}  {path.relative_to(root)}", soft_wrap=True)


@cli.command()
def deploy(service: Service = None, stage: Stage = LOCAL, topology: Topology = None) -> None:
    """Deploy one app or all: to the local cloud (started if need be), or to AWS with the caller's credentials."""
    workspace = topologies.chosen(Workspace.here(), topology, stage)
    apps = workspace.select(service)
    if stage != LOCAL:
        homes = _homes(workspace, apps, stage)
        _synthesize(workspace, apps, stage)
        for app in apps:
            # Whoever sits at a terminal is asked before permissions widen; in a pipeline `make review` has been.
            approval = () if sys.stdin.isatty() else ("--require-approval", "never")
            _cdk(workspace, app, stage, "deploy", homes[app], *approval)
            if app.name == PLATFORM:
                _tell_made(workspace, app, stage)
        return
    with servers.alone(workspace, output):
        with Board(output) as board:
            cloud = _complete(standing.stand_up(workspace, board, _with_platform(workspace, apps)))
        workspace = topologies.chosen(Workspace.here(), None)
        write_endpoints(workspace, cloud, site.address(workspace))


@cli.command()
def destroy(service: Service = None, stage: Stage = LOCAL, topology: Topology = None) -> None:
    """Delete the stacks of one app or of all, services before the platform."""
    workspace = topologies.chosen(Workspace.here(), topology, stage)
    apps = workspace.select(service)
    homes = _homes(workspace, apps, stage)
    _refuse_to_undermine(workspace, apps, stage)
    _synthesize(workspace, apps, stage)
    for app in reversed(apps):
        if stage != LOCAL:
            _cdk(workspace, app, stage, "destroy", homes[app])
            _tell_retained(workspace, app, stage)
            continue
        with servers.alone(workspace, output):
            _cdk(workspace, app, stage, "destroy", homes[app], "--force")
            cloud = standing.require_current(workspace)
            own, *_ = accounts(workspace, cloud)
            state = State.load(workspace, own.identity())
            state.apps.pop(app.name, None)
            state.save(workspace)
            write_endpoints(workspace, cloud, site.address(workspace))


def _tell_retained(workspace: Workspace, app: App, stage: str) -> None:
    """Say what of an app is left, which belongs to no stack any more."""
    from commerce_platform.cli.retained import TEAR_DOWN, retained  # noqa: PLC0415 - needed here alone

    left = retained(workspace.assembly(app, stage))
    for kind, names in left.items():
        output.print(f"stays  {kind:<32} {', '.join(names)}", markup=False, soft_wrap=True)
    if left:
        output.print(f"How to remove or adopt it: {TEAR_DOWN}")


def _refuse_to_undermine(workspace: Workspace, apps: Sequence[App], stage: str) -> None:
    """Let nobody delete the platform while services stand on it: EventBridge keeps a bus that has rules.

    Raises:
        CliError: Some do; names them.
    """
    if PLATFORM not in {app.name for app in apps}:
        return
    clouds = (
        list(accounts(workspace, standing.require_current(workspace)))
        if stage == LOCAL
        else [Cloud.of_the_caller()]
    )
    others = [app for app in workspace.apps if app not in apps]
    left = [app.name for app in others if any(cloud.stacks(app.stack_prefix(stage)) for cloud in clouds)]
    if left:
        everything = "make destroy" + ("" if stage == LOCAL else f" STAGE={stage}")
        raise CliError(
            f"{', '.join(left)} stand on the platform: its bus has their rules, its users are their callers.",
            f"Delete them first, or everything: {everything}",
        )


@cli.command()
def docs() -> None:
    """Build the documentation site, unless it is current. Offline; a link that leads nowhere fails."""
    workspace = Workspace.here()
    with Board(output) as board:
        built = _complete(site.build(workspace, board))
    output.print(f"The site: {built / 'index.html'}. Serve it with: make docs-serve", soft_wrap=True)


@cli.command("docs-serve")
def docs_serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to serve the site; 0: anywhere.")] = 8000,
) -> None:
    """Serve the documentation site on loopback, built again when it is opened after a change."""
    from commerce_platform.cli import site_server  # noqa: PLC0415 - needed here alone

    site_server.serve(Workspace.here(), port, output)


@cli.command("docs-check")
def docs_check() -> None:
    """Open the site in headless Chromium, on a screen, a phone and in the dark, and follow the map by keyboard."""
    from commerce_platform.cli import browser  # noqa: PLC0415 - needed here alone

    workspace = Workspace.here()
    with Board(output) as board:
        _complete(site.build(workspace, board))
        _complete(browser.ensure(workspace, board))
    sys.exit(browser.check(workspace, output))


@cli.command("test")
def run_tests(service: Service = None, topology: Topology = None) -> None:
    """Run every test of all projects or of one, end-to-end ones on a local cloud of their own; with a topology those only."""
    from commerce_platform.cli import suite  # noqa: PLC0415 - needed here alone

    sys.exit(_complete(suite.everything(Workspace.here(), service, output, topology)))


@cli.command()
def unit(service: Service = None) -> None:
    """Run the unit tests of all projects or of one."""
    from commerce_platform.cli import suite  # noqa: PLC0415 - needed here alone

    sys.exit(suite.unit(Workspace.here(), service))


@cli.command()
def coverage(service: Service = None) -> None:
    """Show which lines the tests that need no cloud run, of all projects or of one."""
    from commerce_platform.cli import suite  # noqa: PLC0415 - needed here alone

    sys.exit(suite.coverage(Workspace.here(), service))


@cli.command()
def mutants(
    service: Service = None,
    sample: Annotated[
        str | None, typer.Option(help="A commit's id: only the tenth that it chooses. All without it.")
    ] = None,
) -> None:
    """Put small faults into the code, one at a time, and show those that no test notices."""
    from commerce_platform.cli import mutants as mutation  # noqa: PLC0415 - needed here alone

    sys.exit(mutation.run(Workspace.here(), service, sample, output))


@cli.command()
def lint(service: Service = None) -> None:
    """Check style, types, boundaries, and every template of every stage."""
    from commerce_platform.cli import checks  # noqa: PLC0415 - needed here alone

    with Board(output) as board:
        _complete(checks.everything(Workspace.here(), service, board))


@cli.command()
def contracts(
    service: Service = None,
    release: Annotated[bool, typer.Option(help="Make what is published now the baseline.")] = False,  # noqa: FBT002 - a flag
    examples: Annotated[int | None, typer.Option(min=1, help="Histories to run through; default 10.")] = None,
) -> None:
    """Write what services publish; check it against its release and its consumers, and send real events through them."""
    from commerce_platform.cli import contracts as work  # noqa: PLC0415 - needed here alone

    with Board(output) as board:
        notices = _complete(work.keep(Workspace.here(), service, board, release=release, histories=examples))
    for notice in notices:
        output.print(notice, markup=False, soft_wrap=True)
    output.print("The contracts are kept.")


@cli.command("contract-add")
def contract_add(
    service: Annotated[str, typer.Option(help="The consumer: loyalty-service.")] = "",
    event: Annotated[str, typer.Option(help="The event: commerce.order/OrderConfirmed.v1.")] = "",
    origin: Annotated[
        str | None, typer.Option("--from", help="The producer's published folder or its URL; default here.")
    ] = None,
) -> None:
    """Copy a published schema into what a service consumes, and lock it."""
    from commerce_platform.cli import contracts as work  # noqa: PLC0415 - needed here alone

    if not service or not event:
        raise CliError(
            "Who consumes what?",
            "make contract-add SERVICE=loyalty-service EVENT=commerce.order/OrderConfirmed.v1 [FROM=folder or URL]",
        )
    output.print(str(work.add(Workspace.here(), service, event, origin)), soft_wrap=True)


@cli.command()
def split(
    service: Service = None,
    to: Annotated[Path | None, typer.Option(help="Only write the folder's repository, here.")] = None,
) -> None:
    """Install, lint, test and synthesize every folder alone, outside the repository, with the library as a wheel."""
    from commerce_platform.cli import split as alone  # noqa: PLC0415 - needed here alone

    if to:
        alone.written(Workspace.here(), service, to)
        output.print(
            f"{to} is a repository, but for `git init`; `make help` there says what it can do.",
            soft_wrap=True,
        )
        return
    with Board(output) as board:
        _complete(alone.everything(Workspace.here(), service, board))


T = TypeVar("T")


def _complete(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end. A request to terminate unwinds as Ctrl-C does: children end, nothing is left half-started."""

    async def interruptible() -> T:
        task = asyncio.current_task()
        if task:
            for request in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(request, task.cancel)
        return await work

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _with_platform(workspace: Workspace, apps: Sequence[App]) -> list[App]:
    """No service can be deployed without the platform; where that stands unchanged, nothing is done to it."""
    return [*(app for app in workspace.apps if app.name == PLATFORM and app not in apps), *apps]


def _synthesize(workspace: Workspace, apps: Sequence[App], stage: str) -> None:
    async def all_of_them() -> None:
        slots = asyncio.Semaphore(max(2, os.cpu_count() or 2))

        async def one(app: App) -> None:
            async with slots:
                with board.step(app.name, f"synthesizing for {stage}", "synthesized"):
                    await cdk.synthesize(workspace, app, stage)

        try:
            async with asyncio.TaskGroup() as tasks:
                for app in apps:
                    tasks.create_task(one(app))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    with Board(errors) as board:
        _complete(all_of_them())


def _homes(workspace: Workspace, apps: Sequence[App], stage: str) -> dict[App, list[Place]]:
    """Where each app's stacks are that a verb is about: all of them locally, those of the caller's account on AWS.

    Raises:
        CliError: The credentials are of another account than the topology names.
    """
    if stage != LOCAL:
        here = topologies.require_account(workspace, apps, stage, Cloud.of_the_caller())
        return {app: [here] for app in apps}
    everywhere = list(topologies.of_stage(workspace, LOCAL))
    return {
        app: everywhere if app.name == PLATFORM else [topologies.place(workspace, app, LOCAL)] for app in apps
    }


def _cdk(
    workspace: Workspace, app: App, stage: str, verb: str, homes: Sequence[Place], *options: str
) -> None:
    """Run a verb of the CDK CLI in the foreground, on an assembly that has been synthesized, in each account."""
    cloud = standing.require_current(workspace) if stage == LOCAL else None
    for home in homes:
        environment = cloud.at(home).environment if cloud else tool_environment()
        command = [
            str(cdk.cli(workspace)),
            verb,
            *cdk.QUIET,
            "--app",
            str(workspace.assembly(app, stage)),
            *cdk.stacks(workspace, app, stage, home),
            *options,
        ]
        if subprocess.run(command, cwd=app.folder, env=environment, check=False).returncode:  # noqa: S603 - the pinned CLI
            raise CliError(f"cdk {verb} failed for {app.name}, stage {stage}.")


def _tell_made(workspace: Workspace, app: App, stage: str) -> None:
    """Say what the topology has to be told before the platform can be deployed to the other accounts."""
    if len(workspace.places(stage)) == 1 or workspace.known_topology.stage(stage).users:
        return
    if made := topologies.made(Cloud.of_the_caller(), stage):
        output.print(
            f"Add this to {workspace.topology_file}, then deploy {app.name} to the other accounts:\n"
        )
        output.print(made, markup=False, soft_wrap=True)


def main() -> None:
    """Run a verb; errors meant for the user are printed without a traceback."""
    try:
        status = cli(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        errors.print("Interrupted.")
        sys.exit(INTERRUPTED)
    except TyperException as error:
        errors.print(in_makes_words(error), style="red", markup=False, soft_wrap=True)
        sys.exit(REFUSED)
    except Exception as error:
        known = error if isinstance(error, CliError) else of_aws(error)
        if known is None:
            raise
        errors.print(known.problem, style="red", markup=False, soft_wrap=True)
        if known.advice:
            errors.print(known.advice, markup=False, soft_wrap=True)
        sys.exit(1)
    sys.exit(status)
