"""What a function's execution environments share."""

from __future__ import annotations

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor


def layer(cloud, source):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("python/shared.py", source)
    published = cloud.client("lambda").publish_layer_version(
        LayerName="layer", Content={"ZipFile": content.getvalue()}
    )
    return published["LayerVersionArn"]


def test_environments_that_start_together_share_one_copy_of_a_layer(cloud):
    cloud.function(
        """
        import os, time, shared
        def handler(event, context):
            time.sleep(1)
            return {"answer": shared.ANSWER, "process": os.getpid(), "file": shared.__file__}
        """,
        Layers=[layer(cloud, "ANSWER = 42")],
        Timeout=10,
    )

    def invoke(_):
        return json.loads(cloud.client("lambda").invoke(FunctionName="function")["Payload"].read())

    with ThreadPoolExecutor(3) as callers:
        answers = list(callers.map(invoke, range(3)))
    assert len({answer["process"] for answer in answers}) == 3
    assert {answer["answer"] for answer in answers} == {42}
    assert len({answer["file"] for answer in answers}) == 1


def test_a_function_gets_the_version_of_a_layer_that_it_names(cloud):
    first, second = layer(cloud, "ANSWER = 1"), layer(cloud, "ANSWER = 2")
    client = cloud.client("lambda")
    cloud.function("import shared\ndef handler(event, context): return shared.ANSWER", Layers=[first])
    assert client.invoke(FunctionName="function")["Payload"].read() == b"1"
    client.update_function_configuration(FunctionName="function", Layers=[second])
    assert client.invoke(FunctionName="function")["Payload"].read() == b"2"
