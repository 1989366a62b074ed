"""Measure cold starts and print them: `python -m cold_starts [--runs 10]`."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from shared_constructs.bundling import Target, build_layer, bundle_code, package_root, unzipped_bytes

from cold_starts.functions import FASTAPI_CART, FUNCTIONS, Function

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
COMPARISON = HERE.parent / "fastapi_cart"
PLATFORM_LOCK = package_root("commerce_platform") / "account/runtime_layer/requirements.lock"
SECRET = json.dumps({"apiKey": "sk", "webhookSecret": "whsec"})
ANSWER = json.dumps({"SecretString": SECRET}).encode()
_TIMES = ("import_cpu", "import_wall", "first_cpu", "first_wall")


class _Aws(BaseHTTPRequestHandler):
    """Every call of AWS succeeds at once: what it takes is not the start's business."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer with what a store ignores and Secrets Manager's caller reads."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@contextmanager
def _aws() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Aws)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _provide_boto3(folder: Path) -> Path:
    """boto3 and what it needs, as Lambda brings it: packages of this environment that others do not look through."""
    waiting = ["boto3"]
    while waiting:
        found = distribution(waiting.pop())
        for top in {file.parts[0] for file in found.files or () if file.parts[0] != ".."}:
            link = folder / top
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))))
        waiting += [re.split(r"[^\w.-]", each)[0] for each in found.requires or () if "extra" not in each]
    return folder


def _start(function: Function, path: list[Path], layer: Path, endpoint: str) -> dict[str, Any]:
    """Start a function once, in a process of its own that knows its packages and boto3 alone."""
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "POWERTOOLS_SERVICE_NAME": function.name,
        "POWERTOOLS_METRICS_NAMESPACE": "Commerce",
        **function.environment,
    }
    given = {
        "path": [str(each) for each in path],
        "handler": function.handler,
        "event": function.event(),
        "layer": str(layer),
        "spared": function is not FASTAPI_CART,
    }
    done = subprocess.run(  # noqa: S603 - our own arguments
        # Lambda's directories cannot be written to: what has no bytecode is compiled at every start.
        [sys.executable, "-I", "-S", "-B", str(HERE / "one_start.py")],
        input=json.dumps(given), env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{function.name} did not start:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if not function.succeeded(told["answer"]):
        raise SystemExit(f"{function.name} did not serve its event: {told['answer']}\n{done.stdout[-2000:]}")
    return told


def _measure(runs: int) -> dict[str, dict[str, Any]]:
    target = Target(python=f"{sys.version_info.major}.{sys.version_info.minor}", hosted_here=True)
    platform = build_layer(lock_file=PLATFORM_LOCK, packages=("service_runtime",), target=target)
    lock = COMPARISON / "requirements.lock"
    fastapi = build_layer(lock_file=lock, packages=("service_runtime",), target=target)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as copied, tempfile.TemporaryDirectory() as boto, _aws() as endpoint:
        app = Path(copied, "fastapi_cart.py")
        app.write_bytes((COMPARISON / "app.py").read_bytes())
        provided = _provide_boto3(Path(boto))
        starts = []
        for function in (*FUNCTIONS, FASTAPI_CART):
            code = bundle_code(package=function.package, include=function.include, target=target)
            layer = fastapi if function is FASTAPI_CART else platform
            starts.append((function, [app.parent, code, layer / "python", provided], layer))
        told: dict[str, list[dict[str, Any]]] = {function.name: [] for function, *_ in starts}
        # In turn, so that a busy moment meets all of them; the first round reads the files and does not count.
        for run in range(runs + 1):
            for function, path, layer in starts:
                start = _start(function, path, layer, endpoint)
                if run:
                    told[function.name].append(start)
        for function, _, layer in starts:
            each = told[function.name]
            found[function.name] = {
                **{time: median(start[time] for start in each) for time in _TIMES},
                **{size: each[0][size] for size in ("modules", "loaded_bytes")},
                "layer_bytes": unzipped_bytes(layer),
            }
    return found


def _table(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "| function | import, CPU ms | first request, CPU ms | both, CPU ms | both, wall ms | ratio | modules | layer MB | of it loaded MB |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    base = found[FASTAPI_CART.name]
    whole = base["import_cpu"] + base["first_cpu"]
    for name, it in found.items():
        cpu, wall = it["import_cpu"] + it["first_cpu"], it["import_wall"] + it["first_wall"]
        yield (
            f"| {name} | {it['import_cpu']:.0f} | {it['first_cpu']:.0f} | {cpu:.0f} | {wall:.0f} |"
            f" {cpu / whole:.2f} | {it['modules']} | {it['layer_bytes'] / 1e6:.1f} | {it['loaded_bytes'] / 1e6:.1f} |"
        )


def main() -> None:
    """Measure every function and print a table; the ratio is that of the CPU time to FastAPI's and Mangum's."""
    parser = argparse.ArgumentParser(prog="python -m cold_starts", description=main.__doc__)
    parser.add_argument(
        "--runs", type=int, default=10, help="starts per function, of which the median counts"
    )
    print("\n".join(_table(_measure(parser.parse_args().runs))))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
