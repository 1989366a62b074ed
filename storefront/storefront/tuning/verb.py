"""What `make tune` does: finds the function and its event, tries sizes, shows and keeps what it found."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storefront.client import Commerce, StorefrontError
from storefront.cost import templates
from storefront.tuning import shown
from storefront.tuning.measuring import STRATEGIES, Tuner, best

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from storefront.cost.templates import Resource
    from storefront.tuning.measuring import Size

LOCAL = "local"
CUSTOMERS = ("prod",)
"""Stages where somebody has to mean it: an invocation does what its event says, to real data."""
EVENTS = Path("tests") / "events"
FUNCTION = "AWS::Lambda::Function"


@dataclass(frozen=True)
class Asked:
    """What is to be tuned, and how.

    Attributes:
        service: `cart-service`.
        stage: Where it is deployed.
        templates: A file that names the service's templates of that stage, as `make synth` prints them.
        function: Its construct's path (`Carts/Writes`); needed where the service has several.
        event: A file with the event; the service's recorded one without it.
        times: How often with each size.
        strategy: `balanced`, `cost` or `speed`.
        confirmed: The stage's name once more, where customers are.

    Raises:
        StorefrontError: No service is named, or there is no such strategy.
    """

    service: str
    stage: str
    templates: Path
    function: str = ""
    event: Path | None = None
    times: int = 20
    strategy: str = "balanced"
    confirmed: str = ""

    def __post_init__(self) -> None:
        if not self.service:
            raise StorefrontError("Whose function?", "make tune SERVICE=cart-service [FUNCTION=Carts/Writes]")
        if self.strategy not in STRATEGIES:
            raise StorefrontError(f"STRATEGY is one of {', '.join(STRATEGIES)}; got {self.strategy!r}.")


def tune(asked: Asked, sizes: Sequence[int], console: Console, folder: Path) -> Path:
    """Try sizes of a function's memory, show the result, keep it and draw it.

    Returns:
        The drawing.

    Raises:
        StorefrontError: There is no such function or no event for it, or the stage's customers would be served by it and
            nobody has said that this is meant.
    """
    if asked.stage in CUSTOMERS and asked.confirmed != asked.stage:
        raise StorefrontError(
            f"This would invoke and change a function of {asked.stage}.",
            f"If it is meant: make tune … YES={asked.stage}",
        )
    files = [
        Path(line) for line in asked.templates.read_text().splitlines() if line.endswith(templates.SUFFIX)
    ]
    function = chosen(templates.read(files, asked.stage), asked.service, asked.function)
    event = read_event(asked, function)
    name, functions = deployed(asked.stage, function, files)
    now = int(functions.get_function_configuration(FunctionName=name)["MemorySize"])

    def said(size: Size) -> None:
        console.print(
            f"  {size.memory_mb:>6,} MB  {size.mean_ms:,.1f} ms  ${size.usd * 1e6:,.2f} a million",
            highlight=False,
        )

    for request in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(request, signal.default_int_handler)  # so that the old size is put back then too
    found = Tuner(functions, name, event, asked.times, said).try_all(sizes)
    title = f"{asked.service} {function.name}, {asked.stage}: {asked.times} invocations each"
    console.print(shown.table(title, found, best(found, asked.strategy)))
    console.print(shown.told(found, asked.strategy, now), soft_wrap=True)
    if asked.stage == LOCAL:
        console.print(shown.LOCAL_REMARK, soft_wrap=True)
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / f"tuning-{asked.service}-{function.name.replace('/', '-')}"
    kept = {"title": title, "sizes": shown.kept(found), "best": best(found, asked.strategy).memory_mb}
    base.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n")
    picture = base.with_suffix(".svg")
    picture.write_text(shown.drawing(kept))
    return picture


def chosen(stage: templates.Stage, service: str, function: str) -> Resource:
    """The function that is meant.

    Raises:
        StorefrontError: There is none, or several and nobody says which; lists them.
    """
    found = {each.name: each for each in stage.of_type(FUNCTION)}
    if function in found:
        return found[function]
    if not function and len(found) == 1:
        return next(iter(found.values()))
    known = ", ".join(sorted(found)) or "none"
    wrong = (
        f"{function!r} is no function of {service}" if function else f"{service} has several or no functions"
    )
    raise StorefrontError(f"{wrong}.", f"FUNCTION is one of: {known}.")


def read_event(asked: Asked, function: Resource) -> Any:
    """The event that the function is invoked with.

    Raises:
        StorefrontError: There is none.
    """
    file = asked.event or Path(asked.service) / EVENTS / f"{function.name.replace('/', '-')}.json"
    if not file.exists():
        raise StorefrontError(
            f"There is no event for it: {file}.", "Record one there, or give one: PAYLOAD=event.json"
        )
    return json.loads(file.read_text())


def deployed(stage: str, function: Resource, files: Sequence[Path]) -> tuple[str, Any]:
    """A function's physical name, and a client for Lambda where it is."""
    stack = next(
        file.name.removesuffix(templates.SUFFIX)
        for file in files
        if function.id in json.loads(file.read_text())["Resources"]
    )
    clients = _clients(stage, function.service)
    found = clients("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=function.id)
    return found["StackResourceDetail"]["PhysicalResourceId"], clients("lambda")


def _clients(stage: str, service: str) -> Any:
    if stage == LOCAL:
        commerce = Commerce.running()
        home = service if service in commerce.endpoints["services"] else "auth"
        return lambda name: commerce.aws(name, of=home)
    import boto3  # noqa: PLC0415 - slow to import

    return boto3.client
