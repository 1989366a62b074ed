"""Put together what the site is made of: `python -m catalogue ROOT OUT CACHE ASSEMBLY…`."""

from __future__ import annotations

import sys
from pathlib import Path

from catalogue.source import assemble

if __name__ == "__main__":
    root, out, cache, *assemblies = map(Path, sys.argv[1:])
    assemble(root, out, cache, assemblies)
