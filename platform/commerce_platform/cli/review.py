"""What a change would do to what is deployed, told without AWS: templates of now beside those of another state.

The other state is a commit, whose apps are synthesized with the tools of now, or a folder of templates that were kept.
"""

from __future__ import annotations

import asyncio
import copy
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared_constructs.service import STATEFUL_TYPES

from commerce_platform.cli import cdk
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.process import tool_environment
from commerce_platform.cli.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from commerce_platform.cli.board import Board
    from commerce_platform.cli.workspace import App

Template = dict[str, Any]

COMPARE = Path(__file__).with_name("review.mjs")
CACHE = Path(".cache") / "review"
COUNTED = Path("docs") / "cost" / "counts.json"
"""What an order was seen to use, as the storefront keeps it."""
SGR = re.compile(r"\x1b\[[0-9;]*m")

LOSES = {
    "WILL_REPLACE": "is replaced: what it holds stays behind in the old one, or is deleted with it",
    "MAY_REPLACE": "may be replaced, which only AWS decides",
    "WILL_DESTROY": "is deleted with what it holds",
    "WILL_ORPHAN": "leaves the stack and stays behind: nobody reads what it holds any more",
}
"""What becomes of a resource → what that means for what it holds."""
HOLDING = STATEFUL_TYPES | {"AWS::SQS::Queue", "AWS::SecretsManager::Secret"}
"""Types of resources whose loss loses data; in a queue there are messages that exist nowhere else."""
LABELS = {
    "stateful": "a resource that holds data is replaced or deleted",
    "permissions": "somebody may do more than before",
    "indexes": "a table's indexes change in a way that no single update can",
}
"""What a reviewer has to allow → when."""


@dataclass(frozen=True)
class Flag:
    """Something that must not happen unseen.

    Attributes:
        label: Which of LABELS allows it.
        stack: The stack's name.
        what: What happens to what.
    """

    label: str
    stack: str
    what: str

    def __str__(self) -> str:
        return f"{self.label}: {self.stack}: {self.what}"


@dataclass(frozen=True)
class Change:
    """How a stack would change.

    Attributes:
        stack: Its name.
        text: The CDK's account of it, for people.
        flags: What must not happen unseen.
    """

    stack: str
    text: str
    flags: tuple[Flag, ...]


@dataclass(frozen=True)
class States:
    """Templates of before and of now, by stack.

    Attributes:
        before: Before.
        after: Now.
        former: The repository as it was; None beside a folder of templates.
    """

    before: Mapping[str, Template]
    after: Mapping[str, Template]
    former: Workspace | None = None


async def states(workspace: Workspace, service: str | None, stage: str, against: str, board: Board) -> States:
    """The templates of one app or of all, as they were and as they are.

    Args:
        workspace: Where the apps are now.
        service: One app's; all apps' by default, those that have gone included.
        stage: For which stage.
        against: A commit, or a folder of templates (`<stack>.template.json`, at any depth).
        board: Where progress goes.

    Raises:
        CliError: `against` is neither; or an app cannot be synthesized.
    """
    chosen = workspace.select(service)
    kept = Path(against)
    if await asyncio.to_thread(kept.is_dir):
        before = _read([kept])
        after = await _templates(workspace, chosen, stage, board)
        wanted = tuple(app.stack_prefix(stage) for app in chosen)
        return States(
            {stack: each for stack, each in before.items() if stack in after or stack.startswith(wanted)},
            after,
        )
    with board.step(against, "reading that commit", "read"):
        former = checked_out(workspace, against)
    after = await _templates(workspace, chosen, stage, board)
    apps = [app for app in former.apps if service is None or app.name in {one.name for one in chosen}]
    return States(await _templates(former, apps, stage, board, of=against), after, former)


def cost(workspace: Workspace, found: States, stage: str) -> str:
    """What the change would do to the bill, as a section of a comment.

    Args:
        workspace: Where the apps are now.
        found: Templates of before and of now.
        stage: Whose they are.

    Raises:
        CliError: It could not be calculated; has what was printed.
    """
    folder = workspace.root / CACHE / "cost"
    shutil.rmtree(folder, ignore_errors=True)
    for name, each, root in (
        ("before", found.before, found.former and found.former.root),
        ("after", found.after, workspace.root),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "templates.json").write_text(json.dumps(each))
        if root and (counts := root / COUNTED).exists():
            shutil.copy(counts, folder / name / "counts.json")
    sides = [f"--{name}={folder / name}" for name in ("before", "after")]
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "storefront", "cost-change", *sides, f"--stage={stage}"],
        cwd=workspace.root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CliError(f"The change in cost could not be calculated:\n{done.stderr}")
    return done.stdout


def compare(
    workspace: Workspace, before: Mapping[str, Template], after: Mapping[str, Template]
) -> list[Change]:
    """How templates differ, by stack.

    Args:
        workspace: Where the CDK's comparison is installed.
        before: Templates by stack.
        after: Templates by stack.
    """
    environment = tool_environment(FORCE_COLOR="1")
    node = shutil.which("node", path=environment["PATH"]) or "node"
    done = subprocess.run(  # noqa: S603 - our own script
        [node, str(COMPARE)],
        input=json.dumps({"before": _legible(before), "after": _legible(after)}),
        cwd=workspace.root,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise CliError(f"The templates could not be compared:\n{done.stderr}", "make setup")
    return [
        Change(each["stack"], each["text"].rstrip(), (*_flags(each), *_indexes(each["stack"], before, after)))
        for each in json.loads(done.stdout)
    ]


def _legible(templates: Mapping[str, Template]) -> dict[str, Template]:
    """Templates with workflows as they are written, so that a change in one shows as that, and not as one long line."""
    legible = copy.deepcopy(dict(templates))
    for template in legible.values():
        for resource in template.get("Resources", {}).values():
            if resource["Type"] == "AWS::StepFunctions::StateMachine":
                resource["Properties"]["DefinitionString"] = _definition(
                    resource["Properties"]["DefinitionString"]
                )
    return legible


def _definition(text: Any) -> Any:
    if isinstance(text, dict) and "Fn::Join" in text:
        separator, parts = text["Fn::Join"]
        text = separator.join(part if isinstance(part, str) else f"${{{_named(part)}}}" for part in parts)
    return json.loads(text) if isinstance(text, str) else text


def _named(reference: Mapping[str, Any]) -> str:
    """`Orders.Arn` of `{"Fn::GetAtt": ["Orders", "Arn"]}`; quotes would end the text it stands in."""
    (value,) = reference.values()
    return (".".join(map(str, value)) if isinstance(value, list) else str(value)).replace('"', "'")


def _flags(difference: Mapping[str, Any]) -> Iterator[Flag]:
    stack = difference["stack"]
    for resource in difference["resources"]:
        if resource["type"] in HOLDING and resource["impact"] in LOSES:
            yield Flag("stateful", stack, f"{resource['type']} {resource['id']} {LOSES[resource['impact']]}")
    if difference["permissions"]:
        yield Flag("permissions", stack, f"more is allowed\n{difference['permissions'].rstrip()}")


def _indexes(stack: str, before: Mapping[str, Template], after: Mapping[str, Template]) -> Iterator[Flag]:
    """One update can create or delete one global secondary index of a table, and changes none in place.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.OnlineOps.html
    """
    for name, then in _tables(before.get(stack, {})):
        now = dict(_tables(after.get(stack, {}))).get(name)
        if now is None:
            continue
        added, gone = now.keys() - then.keys(), then.keys() - now.keys()
        if len(added) + len(gone) > 1:
            yield Flag(
                "indexes",
                stack,
                f"{name} has {_listed(added)} added and {_listed(gone)} removed: one at a time, each deployed by itself",
            )
        if altered := {index for index in now.keys() & then.keys() if now[index] != then[index]}:
            yield Flag(
                "indexes",
                stack,
                f"{name}: {_listed(altered)} cannot change in place; add one, then remove it",
            )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _tables(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Tables, and what of each index AWS compares: keys and projection."""
    for name, resource in template.get("Resources", {}).items():
        if resource["Type"] in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
            indexes = resource["Properties"].get("GlobalSecondaryIndexes", ())
            yield name, {each["IndexName"]: (each["KeySchema"], each["Projection"]) for each in indexes}


def checked_out(workspace: Workspace, commit: str) -> Workspace:
    """The repository as it was at a commit, kept below `.cache` by the commit's hash.

    Raises:
        CliError: There is no such commit.
    """
    git = ["git", "-C", str(workspace.root)]
    found = subprocess.run(  # noqa: S603 - git, with a name that it resolves
        [*git, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise CliError(
            f"AGAINST={commit} is neither a commit nor a folder of templates.",
            "AGAINST=origin/main compares with the main branch, AGAINST=HEAD with what is committed.",
        )
    folder = workspace.root / CACHE / found.stdout.strip()
    if not folder.exists():
        archive = subprocess.run(  # noqa: S603 - git, with a hash
            [*git, "archive", "--format=zip", found.stdout.strip()], capture_output=True, check=True
        ).stdout
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            files.extractall(partial)
        (partial / "node_modules").symlink_to(workspace.root / "node_modules")
        partial.rename(folder)
    return Workspace(folder, folder / ".local")


async def _templates(
    workspace: Workspace, apps: Sequence[App], stage: str, board: Board, *, of: str = ""
) -> dict[str, Template]:
    folders = []
    for app in apps:
        with board.step(f"{app.name} {of}".strip(), f"synthesizing for {stage}", "synthesized"):
            folders.append(await cdk.synthesize(workspace, app, stage))
    return _read(folders)


def _read(folders: Iterable[Path]) -> dict[str, Template]:
    """Templates by stack; the CLI names the files after them."""
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for folder in folders
        for path in sorted(folder.rglob("*.template.json"))
        if not any(parent.name.startswith("asset.") for parent in path.parents)
    }


def markdown(
    found: Sequence[Change], stage: str, against: str, allowed: Iterable[str], *, cost: str = ""
) -> str:
    """A review's findings as a comment on a pull request.

    Args:
        found: The changes.
        stage: The stage that was compared.
        against: What it was compared with.
        allowed: The labels that are given.
        cost: What they do to the bill; nothing is said of it without.
    """
    granted = set(allowed)
    lines = [f"### What this would change in `{stage}`, against `{against}`", ""]
    if not found:
        return "\n".join([*lines, "Nothing: every template is the same.", "", cost])
    for flag in (flag for change in found for flag in change.flags):
        first, _, rest = flag.what.partition("\n")
        mark = "allowed by its label" if flag.label in granted else f"needs the label `{flag.label}`"
        lines.append(f"- **{flag.label}** ({mark}): `{flag.stack}`: {first}")
        lines += ["", *_fenced(SGR.sub("", rest)), ""] if rest else []
    lines += ["", cost] if cost else []
    for change in found:
        lines += ["", f"<details><summary><code>{change.stack}</code></summary>", ""]
        lines += [*_fenced(SGR.sub("", change.text)), "", "</details>"]
    return "\n".join([*lines, ""])


def _fenced(text: str) -> list[str]:
    return ["```text", *text.strip("\n").replace("```", "'''").splitlines(), "```"]
