"""The same bytes on every machine, and only what a function runs."""

import os
import stat
import sys
import threading
import time

import pytest
from shared_constructs import Stage, bundling
from shared_constructs.bundling import BundlingError, Target, build_layer, bundle_code, layer_key

HANDLER = """
from typing import TYPE_CHECKING
from shop_under_test.api.domain import rule
if TYPE_CHECKING:
    from shop_under_test.infrastructure import Stack
def handler(event, context): return rule()
"""

ELSEWHERE = Target(python="3.14" if sys.version_info[:2] == (3, 13) else "3.13")
"""A target whose version of Python this interpreter is not."""

LOCAL = Target.of(Stage.named("local"))

find_interpreter = bundling._interpreter


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COMMERCE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def _no_other_interpreter(monkeypatch):
    """Whether there is one of AWS's version is this machine's affair."""
    monkeypatch.setattr(bundling, "_interpreter", lambda _: None)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A service's package, laid out as services are."""
    root = tmp_path / "project" / "shop_under_test"
    files = {
        "__init__.py": "",
        "infrastructure.py": "import aws_cdk",
        "api/__init__.py": "",
        "api/handler.py": HANDLER,
        "api/domain.py": "def rule(): return 1",
        "api/tests/test_handler.py": "",
        "api/test_domain.py": "",
        "api/__pycache__/domain.cpython-313.pyc": "",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.syspath_prepend(str(root.parent))
    return root


def bundle(include, target=None):
    return bundle_code(package="shop_under_test", include=include, target=target or ELSEWHERE)


def contents(directory):
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


@pytest.mark.usefixtures("package")
def test_a_zip_holds_the_included_code_under_its_full_path_and_nothing_else():
    assert contents(bundle(("api",))) == [
        "shop_under_test/__init__.py",
        "shop_under_test/api/__init__.py",
        "shop_under_test/api/domain.py",
        "shop_under_test/api/handler.py",
    ]


def test_the_same_code_has_the_same_hash_whatever_its_times_and_modes(package):
    before = bundle(("api",))
    os.utime(package / "api/domain.py", (0, 0))
    (package / "api/domain.py").chmod(0o777)
    (package / "api/tests/test_more.py").write_text("tests are not deployed")
    assert bundle(("api/handler.py", "api")) == before


def test_changed_code_has_another_hash(package):
    before = bundle(("api",))
    (package / "api/domain.py").write_text("def rule(): return 2")
    assert bundle(("api",)) != before


@pytest.mark.usefixtures("package")
def test_deployed_files_have_one_mode_under_every_umask():
    before = os.umask(0o077)
    try:
        code = bundle(("api",), LOCAL)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in code.rglob("*.py*")} == {0o644}
    assert {stat.S_IMODE(path.stat().st_mode) for path in code.rglob("*") if path.is_dir()} == {0o755}


@pytest.mark.usefixtures("package")
def test_code_that_imports_what_stays_behind_is_refused_at_synth():
    with pytest.raises(
        BundlingError, match=r"handler.py imports shop_under_test.api.domain, which is not included"
    ):
        bundle(("api/handler.py",))


@pytest.mark.parametrize("statement", ["from .domain import rule", "from shop_under_test.api import domain"])
def test_an_import_is_found_however_it_is_written(package, statement):
    (package / "api/handler.py").write_text(statement)
    with pytest.raises(BundlingError, match=r"imports shop_under_test\.api\.domain"):
        bundle(("api/handler.py",))


@pytest.mark.parametrize("include", [("apis",), ("../..",), ()])
@pytest.mark.usefixtures("package")
def test_what_is_not_in_the_package_cannot_be_included(include):
    with pytest.raises(BundlingError, match="include"):
        bundle(include)


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(BundlingError, match="no package 'nowhere_service'"):
        bundle_code(package="nowhere_service", include=(".",), target=Target())


def test_aws_is_arm64_and_python_3_13_and_the_local_cloud_is_this_host():
    for stage in ("dev", "staging", "prod"):
        assert Target.of(Stage.named(stage)) == Target(python="3.13", machine="arm64", hosted_here=False)
    local = Target.of(Stage.named("local"))
    assert local.hosted_here
    assert local.machine == ("arm64" if os.uname().machine in {"arm64", "aarch64"} else "x86_64")
    here = f"3.{sys.version_info.minor}"
    assert local.python == (here if here in bundling.SUPPORTED_PYTHONS else bundling.SUPPORTED_PYTHONS[-1])


@pytest.fixture
def fake_uv(tmp_path, monkeypatch):
    """An installer that leaves the traces that real ones do, different each time."""
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(
        f"""#!{sys.executable}
import os, pathlib, sys, json
site = pathlib.Path(sys.argv[sys.argv.index("--target") + 1])
for name in ("bin/tool", "lib.dist-info/RECORD", "lib.dist-info/INSTALLER", "lib.dist-info/direct_url.json",
             "lib.dist-info/METADATA", "lib/__init__.py", "lib/__pycache__/x.pyc", ".lock"):
    (site / name).parent.mkdir(parents=True, exist_ok=True)
    (site / name).write_text("constant" if name.endswith(("METADATA", ".py")) else str(os.getpid()))
pathlib.Path({str(tmp_path / "calls")!r}).open("a").write(
    json.dumps([sys.argv[1:], {{k: os.environ.get(k) for k in ("UV_DEFAULT_INDEX", "UV_FIND_LINKS")}}]) + "\\n")
sys.exit(int(os.environ.get("UV_FAILS", "0")) and print("no wheel", file=sys.stderr) or
         int(os.environ.get("UV_FAILS", "0")))
"""
    )
    uv.chmod(0o755)
    monkeypatch.setattr(bundling, "_uv", lambda: str(uv))
    return tmp_path / "calls"


@pytest.fixture
def lock(tmp_path):
    file = tmp_path / "requirements.lock"
    file.write_text("lib==1 --hash=sha256:00")
    return file


@pytest.mark.usefixtures("fake_uv")
def test_a_layer_holds_no_trace_of_where_it_was_built(lock, cache, monkeypatch):
    first = build_layer(lock_file=lock, packages=(), target=ELSEWHERE)
    assert contents(first) == ["python/lib.dist-info/METADATA", "python/lib/__init__.py"]
    monkeypatch.setenv("COMMERCE_CACHE_DIR", str(cache.with_name("other-machine")))
    assert build_layer(lock_file=lock, packages=(), target=ELSEWHERE).name == first.name


def test_a_layer_is_built_once(fake_uv, lock):
    target = Target()
    assert build_layer(lock_file=lock, packages=(), target=target) == build_layer(
        lock_file=lock, packages=(), target=target
    )
    assert len(fake_uv.read_text().splitlines()) == 1


def test_packages_are_those_of_the_target_with_hashes_and_without_building(fake_uv, lock, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "/of/pip")
    monkeypatch.setenv("UV_FIND_LINKS", "/of/uv")
    build_layer(lock_file=lock, packages=(), target=Target())
    called = fake_uv.read_text()
    for words in ("--require-hashes", "--only-binary", "aarch64-manylinux2014", '"--python-version", "3.13"'):
        assert words in called
    assert "https://mirror.example/simple" in called
    assert "/of/uv" in called  # what uv was told directly wins


def layer(lock, target):
    return build_layer(lock_file=lock, packages=(), target=target)


def code(_lock, target):
    return bundle(("api",), target)


@pytest.mark.usefixtures("fake_uv", "package")
@pytest.mark.parametrize("target", [LOCAL, ELSEWHERE], ids=["local", "AWS"])
@pytest.mark.parametrize("build", [layer, code])
def test_there_is_bytecode_where_an_interpreter_can_make_it(build, lock, monkeypatch, target):
    names = set()
    for interpreter in (None, sys.executable):
        monkeypatch.setattr(bundling, "_interpreter", lambda _, found=interpreter: found)
        built = build(lock, target)
        compiled = any(name.endswith(".pyc") for name in contents(built))
        assert compiled == (target.hosted_here or interpreter is not None)
        names.add(built.name)
    # What one machine has made without is not taken for another's with.
    assert len(names) == (1 if target.hosted_here else 2)


@pytest.mark.parametrize(
    ("script", "is_found"), [("echo 3.99", True), ("echo 3.98", False), ("exit 127", False)]
)
def test_an_interpreter_is_one_that_runs_and_is_of_the_targets_version(
    tmp_path, monkeypatch, script, is_found
):
    python = tmp_path / "python3.99"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(bundling, "_interpreter", find_interpreter)
    find_interpreter.cache_clear()
    assert Target(python="3.99").compiler == (str(python) if is_found else None)


def test_a_key_depends_on_lock_sources_and_target(lock, package):
    keys = [layer_key(lock_file=lock, packages=(), target=Target())]
    keys.append(layer_key(lock_file=lock, packages=(), target=Target(python="3.14")))
    keys.append(layer_key(lock_file=lock, packages=("shop_under_test",), target=Target()))
    (package / "api/domain.py").write_text("def rule(): return 3")
    keys.append(layer_key(lock_file=lock, packages=("shop_under_test",), target=Target()))
    lock.write_text("lib==2 --hash=sha256:01")
    keys.append(layer_key(lock_file=lock, packages=(), target=Target()))
    assert len(set(keys)) == len(keys)


@pytest.mark.usefixtures("fake_uv")
def test_a_failed_installation_leaves_nothing_and_says_what_uv_said(lock, cache, monkeypatch):
    monkeypatch.setenv("UV_FAILS", "1")
    with pytest.raises(
        BundlingError, match=r"could not install .*requirements.lock for linux-arm64-3.13:\nno wheel"
    ):
        build_layer(lock_file=lock, packages=(), target=Target())
    assert list((cache / "layer").iterdir()) == []


def test_processes_that_build_the_same_thing_at_once_share_the_first_result(cache):
    def slowly(directory):
        (directory / "file").write_text("bytes")
        time.sleep(0.05)

    results = []
    threads = [
        threading.Thread(target=lambda: results.append(bundling._cached("code", "key", slowly)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [cache / "code" / "key"] * 8
    assert contents(cache) == ["code/key/file"]


def test_without_uv_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BundlingError, match=r"uv is needed to build layers .* run make setup"):
        bundling._uv()
