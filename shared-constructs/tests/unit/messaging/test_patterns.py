import pytest
from service_testing.patterns import matches, mismatch

EVENT = {
    "source": "commerce.order",
    "detail": {
        "status": "PAID",
        "total": 12.5,
        "lines": ["a", "b"],
        "none": None,
        "empty": [],
        "ip": "10.0.0.7",
    },
    "body": '{"detail": {"sku": "X"}}',
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({}, True),
        ({"source": ["commerce.order"]}, True),
        ({"source": ["commerce.cart"]}, False),
        ({"absent": ["x"]}, False),
        ({"detail": {"status": ["NEW", "PAID"]}}, True),
        ({"detail": {"lines": ["b"]}}, True),
        ({"detail": {"lines": ["c"]}}, False),
        ({"detail": {"none": [None]}}, True),
        ({"detail": {"total": [12.5]}}, True),
        ({"detail": {"total": ["12.5"]}}, False),
        ({"detail": {"status": [{"prefix": "PA"}]}}, True),
        ({"detail": {"status": [{"prefix": {"equals-ignore-case": "pa"}}]}}, True),
        ({"detail": {"status": [{"suffix": "ID"}]}}, True),
        ({"detail": {"status": [{"equals-ignore-case": "paid"}]}}, True),
        ({"detail": {"status": [{"wildcard": "P*D"}]}}, True),
        ({"detail": {"status": [{"wildcard": "P*X"}]}}, False),
        ({"detail": {"status": [{"anything-but": ["NEW"]}]}}, True),
        ({"detail": {"status": [{"anything-but": "PAID"}]}}, False),
        ({"detail": {"status": [{"anything-but": {"prefix": "PA"}}]}}, False),
        ({"detail": {"absent": [{"anything-but": "PAID"}]}}, False),
        ({"detail": {"total": [{"numeric": [">", 10, "<=", 12.5]}]}}, True),
        ({"detail": {"total": [{"numeric": ["<", 10]}]}}, False),
        ({"detail": {"status": [{"numeric": ["<", 10]}]}}, False),
        ({"detail": {"absent": [{"exists": False}]}}, True),
        ({"detail": {"status": [{"exists": True}]}}, True),
        ({"detail": {"ip": [{"cidr": "10.0.0.0/24"}]}}, True),
        ({"$or": [{"source": ["x"]}, {"detail": {"status": ["PAID"]}}]}, True),
        ({"$or": [{"source": ["x"]}, {"source": ["y"]}]}, False),
        ({"body": {"detail": {"sku": ["X"]}}}, True),
        ({"body": {"detail": {"sku": ["Y"]}}}, False),
    ],
)
def test_a_pattern_matches_as_eventbridge_does(pattern, expected):
    assert matches(pattern, EVENT) is expected


def test_an_unknown_operator_is_named():
    with pytest.raises(ValueError, match="unknown operator 'regex'"):
        matches({"source": [{"regex": "x"}]}, EVENT)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ({"source": ["a"], "detail": {"data": {"n": [2]}}}, "detail.data.n is 1, wanted is [2]"),
        (
            {"detail": {"data": {"m": [{"exists": True}]}}},
            'detail.data.m is absent, wanted is [{"exists": true}]',
        ),
        ({"detail": {"other": {"n": [1]}}}, "detail.other.n is absent, wanted is [1]"),
    ],
)
def test_the_first_field_to_blame_is_named(pattern, reason):
    assert mismatch(pattern, {"source": "a", "detail": {"data": {"n": 1}}}) == reason
