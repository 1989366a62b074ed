"""What a service's own repository needs, without the workspace's command line.

Write what a service publishes, from its templates (`cdk synth`), and copy and lock what it consumes:

    python -m service_contracts publish order_service cdk.out/*.template.json
    python -m service_contracts add order_service commerce.payment/PaymentCaptured.v1 ../payment-service/…/published
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from service_contracts.locks import LockError, fetch
from service_contracts.service import ContractError, Contracts


def main() -> int:
    """Run a command.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m service_contracts", description=__doc__)
    commands = parser.add_subparsers(required=True)
    publish = commands.add_parser("publish")
    publish.add_argument("package")
    publish.add_argument("templates", nargs="+", type=Path)
    publish.set_defaults(run=_publish)
    add = commands.add_parser("add")
    add.add_argument("package")
    add.add_argument("event")
    add.add_argument("origin", help="The producer's published folder, or its URL.")
    add.set_defaults(run=_add)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except (ContractError, LockError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    return 0


def _publish(arguments: argparse.Namespace) -> None:
    contracts = Contracts(arguments.package)
    templates = [json.loads(path.read_text()) for path in arguments.templates]
    for name in contracts.write(contracts.artefacts(templates)):
        print(contracts.published_folder / name)  # noqa: T201 - a command's output


def _add(arguments: argparse.Namespace) -> None:
    print(Contracts(arguments.package).lock.add(fetch(arguments.event, arguments.origin)))  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
