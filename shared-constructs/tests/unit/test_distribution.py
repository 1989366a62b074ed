"""What an import package of the distribution imports, its extra installs, and the wheel carries."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2]
PROJECT = tomllib.loads((LIBRARY / "pyproject.toml").read_text())["project"]
PACKAGES = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
EXTRA = {
    "apigateway_engine": "engine",
    "service_contracts": "contracts",
    "service_testing": "testing",
    "service_lint": "lint",
}
# Found at run time, so no import statement names them.
NAMED_OTHERWISE = {"service_testing": {"syrupy"}, "apigateway_engine": {"airspeed"}}
# They come with what is declared, in a version that it chooses.
CARRIED = {"botocore": "boto3", "pydantic-core": "pydantic"}
# Faster where it has a wheel; jsonata-python stands in, so only the kit asks for it.
OPTIONAL = {"jlens"}


def declared(requirements):
    """Distributions by name, extras of our own resolved."""
    found = set()
    for requirement in requirements:
        name, extras = re.match(r"([\w-]+)(?:\[([\w,-]+)\])?", requirement).groups()
        if name == PROJECT["name"]:
            for extra in extras.split(","):
                found |= declared(PROJECT["optional-dependencies"][extra])
        else:
            found.add(name.lower())
    return found


def imported(package):
    """Distributions that a package's code imports when it runs, by the statements that do."""
    modules = set()
    for path in (LIBRARY / package).rglob("*.py"):
        tree = ast.parse(path.read_text())
        for branch in ast.walk(tree):
            if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING":
                branch.body = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    known = packages_distributions()
    foreign = modules - PACKAGES - sys.stdlib_module_names
    names = {known[module][0].lower().replace("_", "-") for module in foreign}
    return {CARRIED.get(name, name) for name in names} - OPTIONAL | NAMED_OTHERWISE.get(package, set())


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_what_a_package_imports_is_declared(package):
    allowed = declared(PROJECT["dependencies"])
    if package in EXTRA:
        allowed |= declared(PROJECT["optional-dependencies"][EXTRA[package]])
    assert imported(package) <= allowed


def test_nothing_is_declared_that_no_package_imports():
    used = OPTIONAL.union(*map(imported, PACKAGES))
    wanted = declared([*PROJECT["dependencies"], "shared-constructs[contracts,engine,testing,lint]"])
    assert wanted - used == set()


def test_the_wheel_has_every_package():
    hatch = tomllib.loads((LIBRARY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert set(hatch["targets"]["wheel"]["packages"]) == PACKAGES
