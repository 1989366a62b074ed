"""What passes by itself is tried again, what does not is told at once."""

import pytest
from service_runtime.retries import CONFLICTS, THROTTLED, ContentionError, error_codes, retry


class RefusedError(Exception):
    """An error of boto3, by its shape."""

    def __init__(self, code, *reasons):
        self.response = {
            "Error": {"Code": code},
            "CancellationReasons": [{"Code": reason} for reason in reasons],
        }


@pytest.fixture
def waits():
    return []


def attempts(waits, *errors, on=CONFLICTS, most=8):
    """Try something that fails with these errors first."""
    left = list(errors)

    def attempt():
        if left:
            raise left.pop(0)
        return "done"

    return retry(attempt, on=on, attempts=most, sleep=waits.append)


def test_a_conflict_is_tried_again_after_a_growing_random_wait(waits):
    conflict = RefusedError("TransactionCanceledException", "None", "TransactionConflict")
    assert attempts(waits, *[conflict] * 7) == "done"
    ceilings = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0)
    assert all(0 <= wait <= ceiling for wait, ceiling in zip(waits, ceilings, strict=True))


def test_the_longest_wait_doubles_from_20_ms_up_to_a_second(waits, monkeypatch):
    monkeypatch.setattr("random.uniform", lambda _, most: most)
    attempts(waits, *[RefusedError("TransactionConflictException")] * 7)
    assert waits == [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0]


def test_the_only_error_that_is_asked_for_is_tried_again(waits):
    assert attempts(waits, RefusedError("Busy"), on=frozenset({"Busy"})) == "done"


def test_who_meets_conflicts_every_time_is_told(waits):
    with pytest.raises(ContentionError, match="each of 3 attempts"):
        attempts(waits, *[RefusedError("TransactionConflictException")] * 3, most=3)
    assert len(waits) == 2


@pytest.mark.parametrize(
    "error",
    [
        RefusedError("TransactionCanceledException", "TransactionConflict", "ConditionalCheckFailed"),
        RefusedError("ThrottlingException"),
        ValueError("a mistake of ours"),
    ],
    ids=["one reason is definite", "not asked for", "not of AWS"],
)
def test_anything_else_is_told_at_once(waits, error):
    with pytest.raises(type(error)):
        attempts(waits, error)
    assert waits == []


def test_a_cancelled_transaction_is_known_by_its_reasons():
    assert error_codes(RefusedError("TransactionCanceledException", "None", "ThrottlingError")) <= THROTTLED
    assert error_codes(RefusedError("TransactionCanceledException")) == {"TransactionCanceledException"}


def test_an_answer_without_reasons_is_known_by_its_error():
    error = RefusedError("ThrottlingException")
    del error.response["CancellationReasons"]
    assert error_codes(error) == {"ThrottlingException"}
    # AWS sends a reason without a code for an item that did not stand in the way.
    error.response["CancellationReasons"] = [{}, {"Code": "TransactionConflict"}]
    assert error_codes(error) == {"TransactionConflict"}
