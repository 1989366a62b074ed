from __future__ import annotations

import io

import pytest
from commerce_platform.cli.board import Board
from rich.console import Console


def lines(work):
    written = io.StringIO()
    with Board(Console(file=written, width=100)) as board:
        work(board)
    return [line.split() for line in written.getvalue().splitlines()]


def test_without_a_terminal_each_step_is_a_line_when_it_begins_and_one_when_it_ends():
    def work(board):
        with board.step("cart-service", "deploying", "done"):
            pass

    began, ended = lines(work)
    assert began == ["cart-service", "deploying"]
    assert (ended[:2], ended[3]) == (["cart-service", "done"], "s")


def test_a_step_that_fails_says_so():
    def work(board):
        with pytest.raises(ValueError, match="no"), board.step("cart-service", "deploying", "done"):
            raise ValueError("no")

    assert lines(work)[1][:3] == ["cart-service", "failed", "deploying"]
