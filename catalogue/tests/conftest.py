"""The browser's tests need its driver, which the site's own environment has: `make docs-check` runs them there."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("playwright") else ["browser"]
