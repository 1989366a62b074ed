"""Checks that run when an app is synthesized, once every construct has its final settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsii
from constructs import IValidation

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs import Construct


@jsii.implements(IValidation)
class _Check:
    def __init__(self, check: Callable[[], list[str]]) -> None:
        self._check = check

    def validate(self) -> list[str]:
        return self._check()


def check_at_synth(construct: Construct, check: Callable[[], list[str]]) -> None:
    """Fail synthesis with what a check finds; unlike annotations this also fails a direct `app.synth()`.

    Args:
        construct: The construct that the findings are reported for.
        check: Returns one sentence per fault; nothing when all is well.
    """
    construct.node.add_validation(_Check(check))
