"""What an order takes: time, processor, and what AWS would charge for it, beside a chain of synchronous functions.

Both are on one local cloud, made for this (`make bench`).
"""

from storefront.bench.report import HOW_TO_READ, rewritten, tables, written
from storefront.bench.suite import Options, measure

__all__ = ["HOW_TO_READ", "Options", "measure", "rewritten", "tables", "written"]
