"""What every cold start is spared: work that the interpreter and libraries do for programs other than a function."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from functools import partial
from types import ModuleType
from typing import Any

_METADATA = "importlib.metadata"


def spare() -> None:
    """Set this process up for a short start, before anything is imported that this is for.

    - Garbage: what a start imports stays for good. At the interpreter's 700 the collector looks through all of it again
      and again, a tenth of a start. Garbage in cycles waits longer for it: some tens of megabytes at most.
    - Plugins: pydantic looks for its own among the metadata of all installed packages, and a function has none. Who has
      one sets `PYDANTIC_DISABLE_PLUGINS` (https://docs.pydantic.dev/latest/concepts/plugins/) to the empty text.
    - Metadata: pydantic and urllib3 import what reads them, and a function has neither plugins nor HTTP/2 to look for.
    """
    gc.set_threshold(100_000)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if _METADATA not in sys.modules:
        _import_metadata_later()


def _import_metadata_later() -> None:
    """Have `importlib.metadata` imported by the first call of it: 5 ms of a start, for the mail and zip modules below it.

    Until then a module of its name has its functions, which may be imported by name. Whatever else is asked for is the
    real one's, but for what Python asks every module for.
    """
    later = ModuleType(_METADATA)

    def real() -> ModuleType:
        if sys.modules.get(_METADATA) is later:
            del sys.modules[_METADATA]
        return importlib.import_module(_METADATA)

    def call(name: str, *arguments: Any, **named: Any) -> Any:
        return getattr(real(), name)(*arguments, **named)

    def found(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {_METADATA!r} has no attribute {name!r} before it is used")
        return partial(call, name) if name[0].islower() else getattr(real(), name)

    vars(later)["__getattr__"] = found
    sys.modules[_METADATA] = later
    # `import importlib.metadata` looks for it here.
    vars(importlib)["metadata"] = later
