"""Put together what the site's generator reads: the documents, the catalogue, and scripts that others wrote."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from catalogue.markdown import service_page
from catalogue.pages import files
from catalogue.workspace import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VENDORED = {"assets/vendor/mermaid.js": "node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js"}
"""Scripts from the workspace's Node packages: the site asks nobody else for them."""

CATALOGUE_NAVIGATION = """\
nav:
  - index.md
  - map.md
  - Services: services
  - Events: events
  - Workflows: workflows
  - Queues: queues
"""

LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>(?:\.\./)+[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")


def assemble(root: Path, out: Path, cache: Path, assemblies: Sequence[Path]) -> None:
    """Write the source of the site.

    Args:
        root: The workspace.
        out: Where to; what is there goes.
        cache: Where drawings are kept that are laid out, because that takes longest.
        assemblies: A synthesized assembly per service, named as the service's folder is.

    Raises:
        DrawingError: The layout failed.
    """
    catalogue = read(root, assemblies)
    written = {**files(catalogue, cache), "catalogue/.nav.yml": CATALOGUE_NAVIGATION}
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(root / "docs", out, ignore=shutil.ignore_patterns(".theme", ".DS_Store"))
    services = {service.folder: service_page(service.name) for service in catalogue.services}
    for path in out.rglob("*.md"):
        page = path.relative_to(out)
        path.write_text(linked(path.read_text(), page, root, services))
    for name, content in written.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for name, package in VENDORED.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / package, path)


def linked(text: str, page: Path, root: Path, services: Mapping[str, str]) -> str:
    """A document whose links out of `docs/` lead somewhere on the site, too.

    A service's folder or README becomes its page in the catalogue; of any other file that there is, the path is said. A
    link to a file that there is not stays, and fails the build.
    """

    def replaced(found: re.Match[str]) -> str:
        target = Path(os.path.normpath(root / "docs" / page.parent / found["target"]))
        if target.is_relative_to(root / "docs") or not target.exists():
            return found[0]
        inside = target.relative_to(root)
        folder = inside.parts[0] if inside.name in {"README.md", inside.parts[0]} else ""
        if folder in services:
            return f"[{found['text']}]({os.path.relpath(services[folder], page.parent)})"
        return f"{found['text']} (`{inside.as_posix()}`)"

    return LINK.sub(replaced, text)
