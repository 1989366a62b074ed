"""The bill as one document: what tables, page, drawings and the comparison of two commits are made of."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from storefront.bench.sides import CHAIN
from storefront.cost import whatif
from storefront.cost.bill import Setting
from storefront.cost.counts import WORKING
from storefront.prices import price_list

if TYPE_CHECKING:
    from storefront.cost.assumptions import Assumptions
    from storefront.cost.bill import Bill
    from storefront.cost.counts import Age, Counts
    from storefront.cost.templates import Stage

Json = dict[str, Any]

ORDER = "confirmed"
"""The journey that both ways of taking an order are compared by."""
USERS = "activeUsers"
"""Billed by the month whatever they do, and ten times what orders cost: told apart, or nobody would see those."""
FEW = 1e-12
"""Below this nothing is said."""


def setting_of(stage: Stage, counts: Counts, assumptions: Assumptions) -> Setting:
    """A stage's setting, the chain's resources left out: nobody deploys them."""
    own = replace(stage, resources=tuple(each for each in stage.resources if each.service != CHAIN))
    used = {
        key: each
        for key, each in counts.used(assumptions.mix).items()
        if key.partition("/")[0] in own.services
    }
    return Setting(own, used, counts, assumptions)


def made(
    stage: Stage,
    counts: Counts,
    assumptions: Assumptions,
    orders: float,
    *,
    age: Age,
    is_free_tier: bool = False,
) -> Json:
    """Make the document.

    Args:
        stage: Templates, those of the chain beside them if that is to be compared.
        counts: What journeys use.
        assumptions: The rest.
        orders: A month.
        age: How old the counts are.
        is_free_tier: Whether what is free each month is taken off.
    """
    setting = setting_of(stage, counts, assumptions)
    bill = setting.bill(orders, is_free_tier=is_free_tier)
    prices = price_list()
    return {
        "stage": stage.name,
        "orders": orders,
        "region": prices.region,
        "pricesRead": prices.read.isoformat(),
        "unverified": sorted(
            {line.quantity for line in bill.lines if not prices.prices[line.quantity].verified}
        ),
        "counted": dict(counts.about),
        "perOrder": bill.per_order,
        "withoutUsers": math.fsum(line.usd_per_order for line in bill.lines if line.quantity != USERS),
        "perMonth": bill.per_month,
        "free": bill.free,
        "total": bill.total,
        "services": _grouped(bill, "service"),
        "aws": _grouped(bill, "aws"),
        "resources": _grouped(bill, "service", "resource", "aws"),
        "journeys": _journeys(setting, counts),
        "compared": _compared(stage, counts, assumptions),
        "whatIfs": [asdict(each) for each in whatif.all_of(setting, orders)],
        "assumptions": [list(line) for line in assumptions.lines()],
        "budget": dict(assumptions.budget),
        "notPriced": list(bill.not_priced),
        "age": list(age.lines()),
        "alone": alone(setting.stage, counts, age),
    }


def alone(stage: Stage, counts: Counts, age: Age) -> list[str]:
    """What works in this stage and stands on the local one neither then nor now: an order's use of it is not known."""
    return [
        resource.key
        for resource in stage.of_type(*WORKING)
        if resource.key not in counts.definitions and resource.key not in age.unknown
    ]


def _grouped(bill: Bill, *names: str) -> list[Json]:
    return [
        {
            "name": list(group),
            "perOrder": order,
            "perMonth": month,
            "total": order * bill.orders + month,
        }
        for group, order, month in bill.by(*names)
        if order * bill.orders + month > FEW
    ]


def _journeys(setting: Setting, counts: Counts) -> list[Json]:
    """What an order costs by what is done around it; users are billed by the month, whatever they do."""
    nobody = _without_users(setting.assumptions)
    found: list[Json] = []
    for name, times in setting.assumptions.mix.items():
        used = {key: each for key, each in counts.journeys[name].items() if times}
        once = replace(setting, used=used, assumptions=nobody).bill(1).per_order
        found.append({"name": name, "times": times, "once": once, "perOrder": once * times})
    users = math.fsum(line.usd_per_order for line in setting.bill(1).lines if line.quantity == USERS)
    return [*found, {"name": "users", "times": 1, "once": users, "perOrder": users}]


def _compared(stage: Stage, counts: Counts, assumptions: Assumptions) -> Json:
    """One confirmed order on the platform and on the chain of functions that wait for each other, by AWS's service."""
    if CHAIN not in stage.services or CHAIN not in counts.journeys:
        return {}
    nobody = _without_users(assumptions)
    found = {}
    for side, journey in (("platform", ORDER), ("chain", CHAIN)):
        is_chain = side == "chain"
        resources = tuple(each for each in stage.resources if (each.service == CHAIN) == is_chain)
        own = Setting(replace(stage, resources=resources), counts.journeys[journey], counts, nobody)
        found[side] = {name: order for (name,), order, _month in own.bill(1).by("aws") if order > FEW}
    return found


def _without_users(assumptions: Assumptions) -> Assumptions:
    return replace(assumptions, figures={**assumptions.figures, "orders_per_customer": math.inf})


def over_budget(document: Json) -> list[str]:
    """What costs more than it may, as sentences."""
    return [
        f"{what} costs ${document[name]:,.6f}, ${document[name] - document['budget'][limit]:,.6f} above its budget of "
        f"${document['budget'][limit]:,.6f}."
        for what, name, limit in (
            ("An order", "withoutUsers", "per_order"),
            ("A month without orders", "perMonth", "per_month"),
        )
        if document[name] > document["budget"][limit]
    ]
