"""The escape hatch that every construct has: a caller's own properties for each resource that it builds.

Precedence, lowest first: the library's default < the stage < the caller's argument < the caller's `customize` <
what the construct must enforce (encryption, least privilege, what its parts agree on).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Customize = Mapping[str, Mapping[str, Any]]
"""Properties by resource, named as in the construct's `resources`: `{"queue": {"max_message_size_bytes": 65536}}`.

The properties are those of the CDK's construct for the resource, in snake_case; unknown ones are refused by it.
"""


class Customization:
    """What a caller wants to be different, looked up while a construct builds its resources.

    Args:
        customize: Properties by resource; None for none.
        resources: Names of the resources that the construct builds and that can be customized.

    Raises:
        ValueError: A resource that the construct does not build; the message lists those that it does.
    """

    def __init__(self, customize: Customize | None, *resources: str) -> None:
        self._customize = customize or {}
        if unknown := sorted(set(self._customize) - set(resources)):
            raise ValueError(
                f"customize names {', '.join(unknown)}; this construct builds: {', '.join(sorted(resources))}"
            )

    def of(self, resource: str, /, *, enforced: Mapping[str, Any], **defaults: Any) -> dict[str, Any]:
        """The properties to build one resource with.

        Args:
            resource: Its name.
            enforced: What the construct must decide.
            **defaults: What applies unless the caller says otherwise.

        Raises:
            ValueError: The caller customizes what is enforced.
        """
        wanted = self._customize.get(resource, {})
        if clash := sorted(set(wanted) & set(enforced)):
            raise ValueError(
                f"{', '.join(clash)} of {resource} cannot be customized: the construct enforces it"
            )
        return {**defaults, **wanted, **enforced}
