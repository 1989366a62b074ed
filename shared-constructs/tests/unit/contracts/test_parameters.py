"""Parameters that nobody writes, nobody reads, or that are not what their readers take them for."""

import pytest
from service_contracts.parameters import faults

URL = "/commerce/dev/order/api-url/v1"
ARN = "/commerce/dev/platform/event-bus-arn/v1"


def writer(path, value="arn:aws:events:eu-west-1:1:bus", pattern="^arn:.+$", kind="String"):
    properties = {"Name": path, "Value": value, "Type": kind}
    if pattern:
        properties["AllowedPattern"] = pattern
    return {"Resources": {"It": {"Type": "AWS::SSM::Parameter", "Properties": properties}}}


def reader(path, kind="String"):
    return {"Parameters": {"It": {"Type": f"AWS::SSM::Parameter::Value<{kind}>", "Default": path}}}


def found(written=None, read=None, **people):
    templates = {"platform": [written] if written else [], "cart-service": [read] if read else []}
    return faults(templates, meant_for_people={name.replace("_", "-"): who for name, who in people.items()})


def test_what_is_written_and_read_as_one_type_fits():
    assert found(writer(ARN), reader(ARN)) == []


def test_a_parameter_that_nobody_writes_is_found_with_its_readers():
    assert found(read=reader(ARN)) == [f"{ARN} is read by cart-service and written by nobody"]


def test_another_major_is_another_parameter():
    assert len(found(writer(ARN), reader(ARN.replace("v1", "v2")))) == 2


def test_a_parameter_that_is_resolved_within_a_property_is_read():
    template = {"Resources": {"It": {"Type": "X", "Properties": {"Bus": f"{{{{resolve:ssm:{ARN}}}}}"}}}}
    assert found(writer(ARN), template) == []


def test_a_parameter_that_nobody_reads_is_found_with_its_writer():
    (fault,) = found(writer(ARN))
    assert f"{ARN} is written by platform and read by nobody" in fault


def test_what_people_read_no_template_has_to():
    assert found(writer(ARN), event_bus_arn="people") == []


def test_an_exception_that_is_none_any_more_is_found():
    (fault,) = found(writer(ARN), reader(ARN), event_bus_arn="people")
    assert "event-bus-arn is said to be for people" in fault


@pytest.mark.parametrize("kind", ["List<String>", "CommaDelimitedList"])
def test_types_that_disagree_are_found_with_both_sides(kind):
    assert found(writer(ARN), reader(ARN, kind)) == [
        f"{ARN} is written by platform as String, and read by cart-service as StringList"
    ]


def test_a_value_that_is_not_what_the_name_says_is_found():
    (fault,) = found(writer(ARN, value="commerce-dev"), reader(ARN))
    assert "'commerce-dev', which is not what its name says" in fault


def test_a_parameter_without_a_type_is_found():
    (fault,) = found(writer(ARN, pattern=None), reader(ARN))
    assert "written by platform without a type" in fault


def test_two_writers_of_one_parameter_are_found():
    templates = {"order-service": [writer(URL)], "cart-service": [writer(URL)], "x": [reader(URL)]}
    (fault,) = faults(templates, meant_for_people={})
    assert fault == f"{URL} is written by several: cart-service, order-service"
