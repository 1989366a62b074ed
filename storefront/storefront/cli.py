"""The verbs, one function each. The Makefile calls them; `--help` of each says what it takes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import requests
import typer
from rich.console import Console
from typer.exceptions import TyperException

from storefront import demo as shop
from storefront.client import Commerce, StorefrontError

INTERRUPTED = 130
REFUSED = 2
LOCAL = "local"

cli = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
output = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


@cli.command()
def demo() -> None:
    """Put the goods on sale, fill a cart and place orders; show the cart and each order's timeline."""
    shop.run(Commerce.running(), output)


@cli.command()
def order(
    pay: Annotated[
        str, typer.Option(help="The payment provider's token: tok_visa, tok_declined, …")
    ] = "tok_visa",
    sku: Annotated[
        str | None, typer.Option(help="What to buy; the catalogue's first product without it.")
    ] = None,
    qty: Annotated[int, typer.Option(min=1, max=99, help="How many pieces.")] = 1,
    user: Annotated[str, typer.Option(help="The customer; created if there is none.")] = "alice",
) -> None:
    """Place one order and draw its timeline when it has ended."""
    placed = shop.place_one(Commerce.running(), output, pay=pay, sku=sku, quantity=qty, user=user)
    output.print(f"\nEverything that happened to it: make trace ORDER={placed}", soft_wrap=True)


@cli.command()
def token(
    user: Annotated[str, typer.Option(help="The user's name; created if there is none.")] = "",
    group: Annotated[str | None, typer.Option(help="operators, for one of them.")] = None,
) -> None:
    """Print an access token of the local cloud, and nothing else."""
    if not user:
        raise StorefrontError("Whose token?", "make token USER=alice [GROUP=operators]")
    typer.echo(Commerce.running().token(user, group))


@cli.command()
def bench(
    orders: Annotated[str, typer.Option(help="How many orders at once, one run for each.")] = "1,50,200",
    rate: Annotated[float, typer.Option(help="Orders a second that arrive for a minute; 0: none do.")] = 2.0,
    repeat: Annotated[
        int, typer.Option(help="How often the largest run is made, to compare last and first.")
    ] = 1,
    keep: Annotated[
        Path, typer.Option(help="A page with the marks; data and drawings go into the folder of its name.")
    ] = Path(".cache/bench/benchmarks.md"),
    *,
    check: Annotated[bool, typer.Option(help="Only say whether this can be measured.")] = False,
) -> None:
    """Measure what an order takes, beside the chain of synchronous functions that is deployed with the platform."""
    from storefront import bench as benchmark  # noqa: PLC0415 - loads what draws, which nothing else needs

    options = benchmark.Options.parsed(orders, rate, repeat)
    if check:
        return
    document = benchmark.measure(Commerce.running(), options, output)
    benchmark.written(document, keep)
    for table in benchmark.tables(document):
        output.print(table)
    for line in benchmark.HOW_TO_READ:
        output.print(line)
    output.print(f"Kept, with drawings: {keep}")


@cli.command()
def smoke(
    stage: Annotated[
        str, typer.Option(help="local, or a stage in the account of your AWS credentials.")
    ] = "local",
    check: Annotated[
        list[str] | None, typer.Option(help="Only this one, repeatedly for several; all without it.")
    ] = None,
    service: Annotated[
        list[str] | None, typer.Option(help="Only these services' routes, and no orders; all without it.")
    ] = None,
    published: Annotated[
        Path, typer.Option(help="The folder below which services publish their APIs.")
    ] = Path(),
    topology: Annotated[
        str | None,
        typer.Option(
            envvar="TOPOLOGY", help="Who lives in which account: a name in topologies, or a file; on AWS."
        ),
    ] = None,
) -> None:
    """Ask every published route of a stage for what it must refuse, and take orders to each of their ends."""
    from storefront import smoke as test  # noqa: PLC0415 - loads a validator, which nothing else needs
    from storefront.smoke import visit  # noqa: PLC0415

    checks = test.selected(check or (test.OF_ONE_SERVICE if service else ()), stage)
    commerce = (
        Commerce.running()
        if stage == LOCAL
        else Commerce.deployed(stage, root=published, topology=topology, services=service or ())
    )
    commerce.require(service or ())
    routes = visit.published(commerce, published, service)
    seen = visit.Visit(commerce, routes, signs_in=stage not in test.UNTOUCHED)
    if not test.run(seen, checks, output):
        raise StorefrontError(f"The smoke test of {stage} failed.")


@cli.command()
def cost(
    templates: Annotated[
        Path,
        typer.Option(help="A file that names the stage's templates, one a line, as make synth prints them."),
    ],
    stage: Annotated[str, typer.Option(help="Whose they are.")] = "prod",
    orders: Annotated[float, typer.Option(min=1, help="A month.")] = 320_000,
    *,
    assume: Annotated[str, typer.Option(help="Other assumptions for once: visit=20 cold_starts=0.")] = "",
    standing: Annotated[
        Path | None,
        typer.Option(help="The same of the stage that was counted on, to say how old the counts are."),
    ] = None,
    into: Annotated[Path | None, typer.Option("--json", help="A file for everything, as JSON.")] = None,
    page: Annotated[
        Path | None, typer.Option(help="A page with the marks, to write the tables into.")
    ] = None,
    free_tier: Annotated[bool, typer.Option(help="Take off what is free each month.")] = False,
    check: Annotated[bool, typer.Option(help="Say only what is above the budget, or too old.")] = False,
) -> None:
    """What a stage costs a month and an order, by service and resource; fails above the budget."""
    from storefront.cost import verb  # noqa: PLC0415 - loads what draws, which nothing else needs

    document = verb.made(verb.Asked(templates, stage, orders, assume, standing), is_free_tier=free_tier)
    if into:
        verb.keep(document, into)
    if page:
        verb.write(document, page)
    verb.show(document, output, is_brief=check)
    if faults := verb.faults(document):
        raise StorefrontError("\n".join(faults), "\n".join(sorted({*faults.values()})))


@cli.command()
def cost_count(
    templates: Annotated[
        Path, typer.Option(help="A file that names the local stage's templates, one a line.")
    ],
    times: Annotated[int, typer.Option(min=1, max=100, help="How often each journey is made.")] = 10,
) -> None:
    """Count what customers' journeys use of each resource, on a local cloud that counts, and keep it."""
    from storefront.cost import verb  # noqa: PLC0415 - as above

    verb.count(Commerce.running(), templates, times, output)


@cli.command()
def cost_change(
    before: Annotated[
        Path, typer.Option(help="A folder: templates.json by stack, counts.json if there is one.")
    ],
    after: Annotated[Path, typer.Option(help="The same of now.")],
    stage: Annotated[str, typer.Option(help="Whose templates they are.")] = "prod",
    orders: Annotated[float, typer.Option(min=1, help="A month.")] = 320_000,
) -> None:
    """What a change would do to the bill, as Markdown."""
    from storefront.cost import change  # noqa: PLC0415 - as above

    sys.stdout.write(change.markdown(change.between(before, after, stage, orders)))


@cli.command()
def tune(
    service: Annotated[str, typer.Option(help="Whose function: cart-service.")],
    templates: Annotated[Path, typer.Option(help="A file that names its templates, one a line.")],
    *,
    stage: Annotated[str, typer.Option(help="Where it is deployed.")] = LOCAL,
    function: Annotated[str, typer.Option(help="Its construct: Carts/Writes.")] = "",
    payload: Annotated[
        Path | None, typer.Option(help="A file with the event; the recorded one without.")
    ] = None,
    memory: Annotated[str, typer.Option(help="Sizes to try, MB.")] = "128,256,512,1024,1769,3008",
    times: Annotated[int, typer.Option(min=1, max=1000, help="Invocations with each size.")] = 20,
    strategy: Annotated[str, typer.Option(help="balanced, cost or speed.")] = "balanced",
    yes: Annotated[str, typer.Option(help="The stage's name once more, where customers are.")] = "",
) -> None:
    """Try a deployed function with several sizes of memory, and say which is best."""
    from storefront.tuning import measuring, verb  # noqa: PLC0415 - loads what draws, which nothing else needs

    asked = verb.Asked(service, stage, templates, function, payload, times, strategy, yes)
    drawn = verb.tune(asked, measuring.parsed(memory), output, Path("docs/cost"))
    output.print(f"Kept, drawn: {drawn}")


@cli.command()
def bench_page(
    page: Annotated[Path, typer.Argument(help="The page; its data are in the folder of its name.")],
) -> None:
    """Write a page's tables and drawings again from the figures that are kept beside it."""
    from storefront import bench as benchmark  # noqa: PLC0415 - as above

    benchmark.rewritten(page)


def main() -> None:
    """Run a verb; errors meant for the user are printed without a traceback."""
    try:
        status = cli(standalone_mode=False)
    except requests.ConnectionError as error:
        fail(StorefrontError(f"Nothing answers: {error}", "Is it up? make status"))
    except StorefrontError as error:
        fail(error)
    except TyperException as error:
        errors.print(in_makes_words(error), style="red", markup=False, soft_wrap=True)
        sys.exit(REFUSED)
    except (KeyboardInterrupt, typer.Abort):
        errors.print("Interrupted.")
        sys.exit(INTERRUPTED)
    sys.exit(status)


def in_makes_words(error: TyperException) -> str:
    """What is wrong with an option, which is a variable to whoever calls make.

    Args:
        error: Why the command line was refused.
    """
    option, message = getattr(error, "param", None), str(getattr(error, "message", error))
    if option is None:
        return message
    name, least, most = option.name.upper(), getattr(option, "min", None), getattr(option, "max", None)
    if None not in (least, most):
        return f"{name} must be {least} to {most}."
    if message.startswith("Input should be"):
        return f"{name} must be {'a number' if least is None else f'{least} or more'}."
    return message if message.startswith(name) else f"{name}: {message}."


def fail(error: StorefrontError) -> None:
    """Print what is wrong and what to do, and end with status 1."""
    errors.print(error.problem, style="red", markup=False, soft_wrap=True)
    if error.advice:
        errors.print(error.advice, markup=False, soft_wrap=True)
    sys.exit(1)
