"""CDK constructs of the platform's golden path.

Names are loaded when first used, so that the testing kit, the local cloud's emulator and anything else that does not
synthesize never loads ``aws_cdk``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared_constructs.function import NO_DEPENDENCIES, PLATFORM_LAYER, OwnLayer, ServiceFunction
    from shared_constructs.service import ServiceApp, ServiceStack, StackKind
    from shared_constructs.stage import Stage, StageError, StageName
    from shared_constructs.table import ServiceTable

_MODULES = {
    "NO_DEPENDENCIES": "function",
    "OwnLayer": "function",
    "PLATFORM_LAYER": "function",
    "ServiceApp": "service",
    "ServiceFunction": "function",
    "ServiceStack": "service",
    "ServiceTable": "table",
    "StackKind": "service",
    "Stage": "stage",
    "StageError": "stage",
    "StageName": "stage",
}

__all__ = [  # noqa: PLE0604 - the table above is the one list of names
    *_MODULES,
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_MODULES)}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_MODULES)
