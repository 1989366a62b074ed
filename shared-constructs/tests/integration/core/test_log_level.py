"""Lambda's log filter and Powertools' sampling work together."""

import os
import subprocess
import sys

import pytest

CODE = """
import logging, warnings
warnings.simplefilter("error")
logging.getLogger().setLevel("DEBUG")  # as Lambda's runtime does for that level
from service_runtime.observability import logger
print(logger.log_level, logging.getLogger().level)
"""


@pytest.mark.parametrize(("rate", "level"), [("0", "20"), ("1", "10")])
def test_the_stage_decides_the_level_and_sampled_invocations_log_everything(rate, level):
    outcome = subprocess.run(
        [sys.executable, "-c", CODE],
        env={
            **os.environ,
            "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
            "POWERTOOLS_LOG_LEVEL": "INFO",
            "POWERTOOLS_LOGGER_SAMPLE_RATE": rate,
            "POWERTOOLS_SERVICE_NAME": "shop",
        },
        check=True,
        capture_output=True,
        text=True,
    )
    # The last line: a sampled logger says so itself. The root logger, which botocore writes to, stays quiet.
    assert outcome.stdout.splitlines()[-1].split() == [level, "30"]
