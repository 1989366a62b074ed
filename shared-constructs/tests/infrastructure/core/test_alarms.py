"""How long something must last before it is an alarm."""

import pytest
from shared_constructs.alarms import Lasting


@pytest.mark.parametrize(("periods", "of"), [(0, 1), (2, 1)])
def test_what_could_never_be_told_is_refused(periods, of):
    with pytest.raises(ValueError, match=f"1 <= periods <= of, got periods={periods} and of={of}"):
        Lasting(periods=periods, of=of)
