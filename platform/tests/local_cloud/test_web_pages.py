"""A page in the developer's browser cannot drive the local cloud; the deployed APIs and the sign-in serve pages."""

import http.client
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

FUNCTIONS = "/2015-03-31/functions"
FOREIGN = "https://evil.example"


@pytest.fixture
def ask(endpoint):
    address = urlsplit(endpoint)

    def send(method, path, body=None, **headers):
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Host": address.netloc} | named)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    return send


def port_of(endpoint):
    return urlsplit(endpoint).port


def functions(cloud):
    return cloud.client("lambda").list_functions()["Functions"]


def test_a_foreign_page_creates_no_function(ask, public_cloud):
    before = len(functions(public_cloud))
    body = json.dumps(
        {"FunctionName": "evil", "Runtime": "python3.13", "Handler": "i.h", "Role": "r", "Code": {}}
    )
    status, text = ask("POST", FUNCTIONS, body, Origin=FOREIGN, Content_Type="text/plain")
    assert (status, len(functions(public_cloud))) == (403, before)
    assert "another origin" in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": FOREIGN},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    "path", [FUNCTIONS, "/", "/_ministack/reset", "/some-bucket/key", "/restapis/api/resources"]
)
def test_what_a_page_of_another_origin_sends_is_refused(ask, headers, path):
    assert ask("POST", path, "{}", **headers)[0] == 403
    assert ask("GET", path, **headers)[0] == 403


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:4566", "localhost.evil.example", "10.0.0.1", "0.0.0.0", ""],  # noqa: S104
)
def test_a_name_that_is_not_this_machine_s_is_refused_whatever_is_asked_for(ask, host):
    for path in ("/", "/_aws/execute-api/a/live/things", "/oauth2/token"):
        status, text = ask("POST", path, "{}", Host=host)
        assert status == 403
        assert "names of this machine" in text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "api.localhost"])
def test_this_machine_s_names_are_answered(ask, endpoint, host):
    assert ask("GET", "/_ministack/health", Host=f"{host}:{port_of(endpoint)}")[0] == 200


def test_a_page_that_the_local_cloud_serves_may_ask_it(ask, endpoint):
    assert ask("GET", "/_ministack/health", Origin=endpoint, Sec_Fetch_Site="same-origin")[0] == 200


def test_who_types_an_address_is_no_page(ask):
    assert ask("GET", "/_ministack/health", Sec_Fetch_Site="none")[0] == 200


@pytest.mark.parametrize(
    "path", ["/_aws/execute-api/none/live/things", "/restapis/none/live/_user_request_/things"]
)
def test_a_deployed_api_decides_for_itself_which_pages_may_call_it(ask, path):
    assert ask("GET", path, Origin=FOREIGN, Sec_Fetch_Site="cross-site")[0] == 404


def test_a_page_may_sign_a_customer_in(ask, public_cloud):
    cognito = public_cloud.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="pages")["UserPool"]["Id"]
    client = cognito.create_user_pool_client(UserPoolId=pool, ClientName="app")["UserPoolClient"]["ClientId"]
    headers = {"Origin": "http://localhost:3000", "Content_Type": "application/x-amz-json-1.1"}
    body = json.dumps({"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": {}})
    prefix = "AWSCognitoIdentityProviderService"
    status, text = ask("POST", "/", body, X_Amz_Target=f"{prefix}.InitiateAuth", **headers)
    assert status == 400, text
    assert ask("GET", f"/{pool}/.well-known/jwks.json", Origin=FOREIGN)[0] == 200
    # What an administrator does with a pool is not signing in.
    assert ask("POST", "/", body, X_Amz_Target=f"{prefix}.AdminCreateUser", **headers)[0] == 403
    assert ask("POST", "/?Action=ListUsers", body, X_Amz_Target=f"{prefix}.InitiateAuth", **headers)[0] == 403


def test_a_page_s_socket_is_refused(endpoint):
    address = urlsplit(endpoint)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            f"GET /event/realtime HTTP/1.1\r\nHost: {address.netloc}\r\nOrigin: {FOREIGN}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert connection.recv(64).startswith(b"HTTP/1.1 403")


def test_the_server_listens_on_loopback_only(endpoint):
    listening = "0A"
    bound = {
        line.split()[1].rsplit(":", 1)[0]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == listening and int(line.split()[1].rsplit(":", 1)[1], 16) == port_of(endpoint)
    }
    assert bound == {"0100007F"}, "127.0.0.1, as the kernel writes it"
