"""What an import package of the distribution imports, its extra installs, and the wheel carries."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from service_extras import require

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


# As if a distribution were not there, whichever module asks for it first.
WITHOUT = """
import importlib.metadata, runpy, sys
known = importlib.metadata.distribution
def distribution(name):
    if name == {absent!r}:
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)
importlib.metadata.distribution = distribution
"""


@pytest.mark.parametrize(("package", "extra"), EXTRA.items())
def test_a_package_without_its_extra_says_how_to_install_it(package, extra):
    absent = max(declared(PROJECT["optional-dependencies"][extra]) - OPTIONAL)
    code = f"{WITHOUT.format(absent=absent)}\nimport {package}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ModuleNotFoundError: {package} needs {absent}; install shared-constructs[{extra}]: "
        f"pip install 'shared-constructs[{extra}]'"
    )


def test_everything_of_an_extra_that_is_missing_is_named_at_once(monkeypatch):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("service_extras.distribution", nothing)
    with pytest.raises(ModuleNotFoundError) as refused:
        require("testing", of="service_testing")
    named = set(str(refused.value).partition(";")[0].removeprefix("service_testing needs ").split(", "))
    assert named == declared(PROJECT["optional-dependencies"]["testing"]) - OPTIONAL


def test_a_command_without_its_extra_ends_without_a_traceback():
    code = f"{WITHOUT.format(absent='cfn-lint')}\nrunpy._run_module_as_main('service_lint')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'shared-constructs[lint]'" in done.stderr
    assert "Traceback" not in done.stderr
