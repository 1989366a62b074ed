"""Mapping templates render as on API Gateway: Velocity 1.7, `$input`, `$util`, `$context`."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys

import pytest
from apigateway_engine import (
    Api,
    Headers,
    HttpRequest,
    Integration,
    InvalidTemplateError,
    Method,
    TemplateExecutionError,
    UnsupportedFeatureError,
)
from apigateway_engine.errors import InvalidBodyError
from apigateway_engine.variables import create_context, create_variables
from apigateway_engine.velocity import render
from hypothesis import given
from hypothesis import strategies as st

NOW = dt.datetime(2015, 3, 9, 12, 34, 56, tzinfo=dt.UTC)
API = Api(
    api_id="a1b2c3",
    stage="prod",
    account="111122223333",
    region="eu-west-1",
    stage_variables={"colour": "red"},
)
METHOD = Method(
    http_method="PUT", resource_path="/pets/{id}", resource_id="r9", integration=Integration(type="MOCK")
)
REQUEST = HttpRequest(
    method="PUT",
    path="/pets/7",
    headers=Headers({"X-Name": "header", "User-Agent": "curl/8"}),
    query={"type": ["dog", "cat"], "empty": [""]},
    path_parameters={"id": "7"},
)
CLAIMS = {"sub": "u-1", "cognito:groups": "[a b]"}


def rendered(template: str, body: str = "", **variables: object) -> str:
    context = create_context(API, METHOD, REQUEST, request_id="id-1", now=NOW, authorizer={"claims": CLAIMS})
    return render(template, {**create_variables(API, REQUEST, context, body), **variables})


# $input ---------------------------------------------------------------------------------------------------------------

DOCUMENT = json.dumps(
    {
        "type": "dog",
        "price": 249.99,
        "n": 1,
        "tags": [{"k": "é"}, 2],
        "none": None,
        "yes": True,
        "o": {"a": "b"},
    }
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$input.json('$.type')", '"dog"'),
        ("$input.json('$.tags')", '[{"k":"é"},2]'),
        ("$input.json('$.missing')", '""'),
        ("$input.json('$.none')", "null"),
        ("$input.path('$.type')", "dog"),
        ("$input.path('$.price') $input.path('$.n') $input.path('$.yes')", "249.99 1 true"),
        ("[$input.path('$.missing')][$input.path('$.none')]", "[][]"),
        ("$input.path('$.o')", "{a=b}"),
        ("$input.path('$').tags", '[{"k":"é"},2]'),
        ("$input.path('$.tags[0].k')", "é"),
        ("$input.path('$.tags').size()", "2"),
        ("$input.path('$..k')", '["é"]'),
        ("$input.body", DOCUMENT),
    ],
)
def test_the_body_is_read_by_path(template, expected):
    assert rendered(template, DOCUMENT) == expected


def test_an_empty_body_is_an_empty_object():
    assert rendered("$input.body") == "{}"
    assert rendered("$input.json('$')") == "{}"


def test_a_body_that_is_not_json_fails_only_where_it_is_read_as_json():
    assert rendered("$input.body", "{oops") == "{oops"
    with pytest.raises(InvalidBodyError, match="Could not parse request body into json"):
        rendered("$input.json('$')", "{oops")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$input.params('id')", "7"),
        ("$input.params('type')", "cat"),
        ("$input.params('x-name')", "header"),
        ("[$input.params('missing')]", "[]"),
        ("$input.params().path.id $input.params().querystring.get('type')", "7 cat"),
        ("$input.params().header.get('x-name')", "header"),
        ('#if($input.params("missing") == "")none#end', "none"),
    ],
)
def test_parameters_come_from_path_then_query_then_header(template, expected):
    assert rendered(template) == expected


def test_every_parameter_can_be_passed_through():
    """The example of the developer guide, verbatim in structure."""
    template = """#set($allParams = $input.params())
{ "params" : { #foreach($type in $allParams.keySet()) #set($params = $allParams.get($type))
"$type" : { #foreach($name in $params.keySet())
"$name" : "$util.escapeJavaScript($params.get($name))"#if($foreach.hasNext),#end #end
}#if($foreach.hasNext),#end #end } }"""
    assert json.loads(rendered(template))["params"] == {
        "path": {"id": "7"},
        "querystring": {"type": "cat", "empty": ""},
        "header": {"X-Name": "header", "User-Agent": "curl/8"},
    }


# $util ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$util.escapeJavaScript($x)", r"it\'s \"q\" \\ \/ \n \uD83E\uDD50 \u00E9"),
        ("$util.urlEncode($x)", "it%27s+%22q%22+%5C+%2F+%0A+%F0%9F%A5%90+%C3%A9"),
        ("$util.urlEncode('a*b~c-d._')", "a*b%7Ec-d._"),
        ("$util.urlDecode('a%20b+c')", "a b c"),
        ("$util.base64Encode('hé')", "aMOp"),
        ("$util.base64Decode('aMOp')", "hé"),
        ('$util.parseJson(\'{"a":[1,{"b":2}]}\').a[1].b', "2"),
        ("[$util.escapeJavaScript($nothing)]", "[]"),
        ("[$util.escapeJavaScript('')]", "[]"),
    ],
)
def test_utilities(template, expected):
    assert rendered(template, x='it\'s "q" \\ / \n 🥐 é') == expected


def test_the_apostrophe_that_escape_java_script_writes_is_not_json_until_it_is_replaced():
    with pytest.raises(json.JSONDecodeError):
        json.loads(rendered('"$util.escapeJavaScript($x)"', x="it's"))
    fixed = rendered("""\"$util.escapeJavaScript($x).replaceAll("\\\\'", "'")\"""", x="it's \\' \\\\'")
    assert json.loads(fixed) == "it's \\' \\\\'"


@given(st.text(st.characters()) | st.text(alphabet="'\\\"/u0 \n$#{}"))
def test_any_text_survives_escaping(text):
    document = rendered("""{"v": "$util.escapeJavaScript($x).replaceAll("\\\\'", "'")"}""", x=text)
    assert json.loads(document) == {"v": text}


@given(st.text())
def test_any_text_survives_the_query_protocol(text):
    assert rendered("$util.urlDecode($util.urlEncode($x))", x=text) == text


@given(st.text())
def test_any_text_survives_base64(text):
    assert rendered("$util.base64Decode($util.base64Encode($x))", x=text) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    )
)
def test_any_json_value_comes_back_from_input_json(value):
    assert json.loads(rendered("$input.json('$.v')", json.dumps({"v": value}))) == value


# $context and $stageVariables -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$context.apiId $context.stage $context.accountId", "a1b2c3 prod 111122223333"),
        ("$context.httpMethod $context.path $context.resourcePath", "PUT /prod/pets/7 /pets/{id}"),
        ("$context.requestId $context.resourceId", "id-1 r9"),
        ("$context.requestTime", "09/Mar/2015:12:34:56 +0000"),
        ("$context.requestTimeEpoch", "1425904496000"),
        ("$context.identity.sourceIp $context.identity.userAgent", "127.0.0.1 curl/8"),
        ("$context.authorizer.claims.sub", "u-1"),
        ("$context.authorizer.claims['cognito:groups']", "[a b]"),
        ("[$context.authorizer.principalId][$context.nothing.at.all]", "[][]"),
        ("$stageVariables.colour $stageVariables['colour'] ${stageVariables.colour}", "red red red"),
    ],
)
def test_the_context_of_a_request(template, expected):
    assert rendered(template) == expected


def test_a_template_overrides_status_and_headers():
    context = create_context(API, METHOD, REQUEST, request_id="x", now=NOW)
    render(
        "#set($context.responseOverride.status = 404)#set($context.responseOverride.header.Retry-After = '1')"
        "#set($context.requestOverride.path.id = 'other')#set($context.responseOverride.header['X-A'] = 'b')",
        create_variables(API, REQUEST, context, ""),
    )
    assert context["responseOverride"] == {"status": 404, "header": {"Retry-After": "1", "X-A": "b"}}
    assert context["requestOverride"]["path"] == {"id": "other"}


# The language ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$a ${a}b $!a $!{a}", "1 1b 1 1"),
        ("$unset $!unset| ${unset.x}", "$unset | ${unset.x}"),
        (
            "#if($unset)y#{else}n#end #if('')empty is true#end #if(0)zero is true#end",
            "n empty is true zero is true",
        ),
        ("#if(!$unset && $a == 1)y#end #if($a == '1')text#end #if($a != 2)ne#end", "y text ne"),
        ("#if($unset == $null)null#end #if($a == $null)no#end", "null "),
        ("#if($a > 0 || $boom.never())short#end", "short"),
        ("#if($unset && $unset.length() > 0)x#elseif($a)y#end", "y"),
        ("#set($x = 7)#set($y = $x / 2)$y #set($y = 0 - 7)#set($y = $y / 2)$y #set($y = $x % 4)$y", "3 -3 3"),
        ("#set($x = 2 + 3 * 4)$x #set($x = (2 + 3) * 4)$x #set($x = 'a' + 1)$x", "14 20 a1"),
        ("#foreach($i in [1..3])$i$foreach.index#if($foreach.hasNext),#end#end", "10,21,32"),
        ("#foreach($v in {'a': 1, 'b': 2})$v#end", "12"),
        ("#foreach($i in [1, 2])$i#end|$!i", "12|"),
        ("#foreach($i in [1])#set($last = $i)#end$last", "1"),
        ("#set($x = 'kept')#set($x = $unset)$x", "kept"),
        ('#set($s = "a$a ""q"" \\n")$s', 'a1 "q" \\n'),
        ("#set($s = 'a$a ''q''')$s", "a$a 'q'"),
        ("#set($m = {})#set($d = $m.put('k', [1, 2]))$m $m.k[1] $m.k.get(0)", "{k=[1, 2]} 2 1"),
        ("#set($l = [])#set($d = $l.add('x'))$l.size()$l[0]$l[-1] $l.isEmpty()", "1xx false"),
        ("a ## comment\nb #* block\n *# c", "a b  c"),
        ('"#pk = :pk AND #endDate < :d" #if(true)x#{end}y', '"#pk = :pk AND #endDate < :d" xy'),
        ("$1.50 $.x #1 100% # $", "$1.50 $.x #1 100% # $"),
        ("#set($Integer = 0)$Integer.parseInt('42')", "42"),
    ],
)
def test_velocity(template, expected):
    assert rendered(template, a=1) == expected


@pytest.mark.parametrize(
    ("template", "error", "message"),
    [
        ("#if($a == null)x#end", InvalidTemplateError, "no literal null"),
        ("#if($a", InvalidTemplateError, "not a mapping template"),
        ("#foreach($i in [1])x", InvalidTemplateError, "not a mapping template"),
        ("$s.strip()", UnsupportedFeatureError, r"String.strip\(\) is not known; known methods: .*trim"),
        ("$util.toJson($s)", UnsupportedFeatureError, r"util.toJson\(\) is not known"),
        ("$s.replaceAll('[a&&b]', '')", UnsupportedFeatureError, "'&&' is not known"),
        ("$s.matches('\\p{Alpha}')", UnsupportedFeatureError, "is not known"),
        ("$s.matches('(?s).')", UnsupportedFeatureError, "is not known"),
        ("$input.path('$.a[?(@.b)]')", UnsupportedFeatureError, "is not known to this engine; it knows"),
        ("$input.path('$.a[0:2]')", UnsupportedFeatureError, "is not known to this engine; it knows"),
        ("#parse('x')", UnsupportedFeatureError, "#parse"),
        ("#macro(x)y#end", UnsupportedFeatureError, "#macro"),
        ("#define($x)y#end", UnsupportedFeatureError, "#define"),
        ("#foreach($i in [1])#break#end", UnsupportedFeatureError, "#break"),
        ("a #stop", UnsupportedFeatureError, "#stop"),
        ("$s.substring(9)", TemplateExecutionError, "StringIndexOutOfBounds"),
        ("$s.replaceAll('(', '')", TemplateExecutionError, "PatternSyntax"),
        ("#set($i = 0)$i.parseInt('x')", TemplateExecutionError, "NumberFormat"),
        ("#set($i = 0)$i.parseInt('2147483648')", TemplateExecutionError, "NumberFormat"),
        ("$util.parseJson('{')", TemplateExecutionError, "parseJson"),
        ("#foreach($i in [1..1001])x#end", TemplateExecutionError, "1000"),
    ],
)
def test_what_fails_says_why(template, error, message):
    with pytest.raises(error, match=message):
        rendered(template, a=1, s="abc")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("$s.length()", "4"),
        ("$s.substring(1, 3)", "🥐"),
        ("$s.indexOf('b') $s.contains('🥐') $s.startsWith('a') $s.endsWith('a')", "3 true true false"),
        ("$s.equals('x') $s.equalsIgnoreCase('A🥐B') $s.isEmpty()", "false true false"),
        ("$s.toUpperCase() $s.replace('a', 'A') $s.concat('!')", "A🥐B A🥐b a🥐b!"),
        ("#set($x = ' a ')[$x.trim()]", "[a]"),
        ("#set($x = 'a-b--c--')$x.split('-').size() $x.split('-')[2] $x.split('-', 2).get(1)", "4  b--c--"),
        ("#set($x = 'a1b22')$x.replaceAll('([a-z])(\\d+)', '$2$1')", "1a22b"),
        (
            "#set($x = 'a.b')$x.replaceAll('\\.', '\\\\') $x.matches('a.b') $x.matches('a')",
            "a\\b true false",
        ),
        (
            "#set($x = 'é9')$x.matches('\\w+') $x.matches('.\\d') $x.matches('[a-zé][0-9]')",
            "false true true",
        ),
    ],
)
def test_strings_are_javas(expression, expected):
    assert rendered(expression, s="a🥐b") == expected


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1.0"),
        (1e7, "1.0E7"),
        (12345678.9, "1.23456789E7"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (-2.5, "-2.5"),
        (10**12, "1000000000000"),
    ],
)
def test_numbers_print_as_javas(number, text):
    assert rendered("$n", n=number) == text


def test_the_engine_loads_neither_the_cdk_nor_moto_nor_pytest():
    code = (
        "import sys, apigateway_engine;"
        "print([m for m in ('aws_cdk', 'moto', 'pytest', 'boto3') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"
