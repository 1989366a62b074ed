"""The one error that a user is meant to read."""

from __future__ import annotations


class CliError(Exception):
    """Something a user can put right; printed without a traceback, exit status 1.

    Args:
        problem: What is wrong and what was found.
        advice: What to do next, usually a command to run.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice
