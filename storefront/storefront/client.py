"""The platform as its callers see it: public URLs, access tokens, and what customers and operators do with them."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

T = TypeVar("T")
Json = dict[str, Any]

ORDERING = ("product", "inventory", "order", "payment")
"""The services that an order goes through."""
ENDED = ("CONFIRMED", "FULFILLED", "CANCELLED")
"""The statuses in which nothing more happens by itself."""
OPERATORS = "operators"
"""Who may change the catalogue and the stock (scope `commerce/operate`): staff, with a user pool of their own."""
POOLS = {None: ("userPoolId", "clientId"), OPERATORS: ("operatorPoolId", "operatorClientId")}
"""Who signs in → the user pool and the app client, as the endpoints file calls them."""

TIMEOUT_SECONDS = 30.0
THROTTLED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
POLL_SECONDS = 0.1
HEARD_SECONDS = 60.0
"""How long a service may take to hear of a product or a delivery; on a warm cloud it takes about a second."""
END_SECONDS = 400.0
"""How long an order may take to end: both of its time limits on the local cloud (300 and 60 s), and some."""


class StorefrontError(Exception):
    """Something that whoever runs a command can put right; printed without a traceback.

    Args:
        problem: What is wrong and what was found.
        advice: What to do next, usually a command to run.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice


@dataclass(frozen=True)
class Commerce:
    """A platform that runs.

    Attributes:
        endpoints: Where everything is, as the endpoints file has it.
        folder: The endpoints file's folder.
        patience: For how many seconds a request is sent again that was refused for what passes by itself.
        session: Of boto3, in the account with the users; on AWS only.
    """

    endpoints: Mapping[str, Any]
    folder: Path = Path()
    patience: float = HEARD_SECONDS
    session: Any = None

    @classmethod
    def running(cls, *, patience: float = HEARD_SECONDS) -> Commerce:
        """The platform that COMMERCE_ENDPOINTS or COMMERCE_LOCAL_DIR names, else the one in `.local`.

        Raises:
            StorefrontError: There is no endpoints file.
        """
        local = os.environ.get("COMMERCE_LOCAL_DIR", ".local")
        file = Path(os.environ.get("COMMERCE_ENDPOINTS", f"{local}/endpoints.json")).resolve()
        if not file.exists():
            raise StorefrontError("The local cloud does not run.", "Start it: make up")
        return cls(json.loads(file.read_text()), file.parent, patience)

    @classmethod
    def deployed(
        cls, stage: str, *, root: Path = Path(), topology: str | None = None, services: Collection[str] = ()
    ) -> Commerce:
        """A stage on AWS, as its stacks publish it (SSM) in each account and region that the topology names.

        Args:
            stage: Of AWS.
            root: The folder that has `topologies`.
            topology: One of them, or a path; without it the stage is in the account and region of the caller's credentials.
            services: Only these, and the users; all without any.

        Raises:
            StorefrontError: There are no credentials or no region for a place, or nothing of the stage is published.
        """
        from storefront import places  # noqa: PLC0415 - as in `aws`

        try:
            known = places.topology(root, topology)
            sessions = list(places.sessions(known, stage, services))
            everywhere = [places.published(session, stage) for session in sessions]
        except places.PlaceError as error:
            raise StorefrontError(error.problem, error.advice) from error
        found = {
            service: {"apiUrl": value.rstrip("/")}
            for published in everywhere
            for (service, name), value in published.items()
            if name == "api-url"
        }
        if not found:
            where = ", ".join(str(session.region_name) for session in sessions)
            raise StorefrontError(f"No service publishes /commerce/{stage}/*/api-url in {where}.")
        names = {
            "userPoolId": "user-pool-id",
            "clientId": "user-pool-client-id",
            "operatorPoolId": "operator-pool-id",
            "operatorClientId": "operator-pool-client-id",
        }
        auth = {key: everywhere[0].get(("platform", name), "") for key, name in names.items()}
        return cls({"stage": stage, "services": found, "auth": auth}, session=sessions[0])

    @property
    def is_local(self) -> bool:
        """Whether this is a local cloud, or one that AWS_ENDPOINT_URL names."""
        return "endpointUrl" in self.endpoints

    def require(self, services: Iterable[str]) -> None:
        """Check that services are deployed.

        Raises:
            StorefrontError: Some are not; says which.
        """
        if absent := [f"{name}-service" for name in services if name not in self.endpoints["services"]]:
            raise StorefrontError(f"Needed, but not deployed: {', '.join(absent)}.", "Deploy: make up")

    def url(self, service: str) -> str:
        """A service's public URL, without a trailing slash."""
        return str(self.endpoints["services"][service]["apiUrl"])

    def account(self, of: str = "auth") -> str:
        """The account that a service lives in, or the users."""
        home = self.endpoints["auth"] if of == "auth" else self.endpoints["services"][of]
        return str(home["account"])

    def aws(self, service: str, *, of: str = "auth") -> Any:
        """A boto3 client, for what has no public URL: the user pool, and the benchmark's own table.

        Args:
            service: Of AWS.
            of: In whose account: of a service here, by default the one with the users.
        """
        import boto3  # noqa: PLC0415 - 0.2 s that a reader of the catalogue need not wait for
        from botocore.config import Config  # noqa: PLC0415

        if not self.is_local:
            return (self.session or boto3).client(service)
        account = self.account(of)
        # The credentials of a user are for a cloud that the user named.
        mine = os.environ if "AWS_ENDPOINT_URL" in os.environ else {}
        return boto3.client(
            service,  # type: ignore[call-overload]  # any service
            endpoint_url=self.endpoints["endpointUrl"],
            region_name=self.endpoints["region"],
            aws_access_key_id=mine.get("AWS_ACCESS_KEY_ID", account),
            aws_secret_access_key=mine.get("AWS_SECRET_ACCESS_KEY", "local"),
            aws_session_token=mine.get("AWS_SESSION_TOKEN"),
            config=Config(proxies={}),  # boto3 would send a request for loopback through HTTP_PROXY
        )

    @cached_property
    def _cognito(self) -> Any:
        return self.aws("cognito-idp")

    def token(self, user: str, group: str | None = None) -> str:
        """Sign a user in, created if need be, with a password made up for this once.

        Args:
            user: The user name.
            group: `operators`, for one of them; a customer without it.

        Raises:
            StorefrontError: There is no such group, or nobody could be signed in.
        """
        if group not in POOLS:
            raise StorefrontError(
                f"There is no group {group!r}.", f"GROUP is one of: {OPERATORS}; or nothing."
            )
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - a reader needs no token

        from storefront.sign_in import SignInError, access_token  # noqa: PLC0415 - likewise

        pool, client = (self.endpoints["auth"][name] for name in POOLS[group])
        try:
            return access_token(self._cognito, pool, client, user)
        except (SignInError, BotoCoreError, ClientError) as error:
            advice = (
                "" if self.is_local else "Users are in the platform's own account: say which with TOPOLOGY=."
            )
            raise StorefrontError(f"{user} cannot be signed in: {error}", advice) from error


class Caller:
    """Somebody who sends requests, from as many threads as they like.

    Args:
        commerce: The platform.
        token: An access token; without one, an anonymous visitor.
    """

    def __init__(self, commerce: Commerce, token: str | None = None) -> None:
        self.commerce = commerce
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._local = threading.local()

    @property
    def _session(self) -> requests.Session:
        """The calling thread's connections."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            # Neither a proxy nor a ~/.netrc has a say in requests to the local cloud.
            self._local.session.trust_env = not self.commerce.is_local
        session: requests.Session = self._local.session
        return session

    def send(
        self,
        method: str,
        service: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request to a service, again where it says that it is throttled.

        Args:
            method: The HTTP method.
            service: The service's name, `product`.
            path: The route, percent-encoded.
            body: Sent as JSON.
            headers: More headers.
            query: Query parameters.
        """
        deadline = time.monotonic() + self.commerce.patience
        while True:
            answer = self._session.request(
                method,
                f"{self.commerce.url(service)}{path}",
                json=body,
                headers=self._headers | dict(headers or {}),
                params=query,
                timeout=TIMEOUT_SECONDS,
            )
            if answer.status_code not in THROTTLED or time.monotonic() >= deadline:
                return answer
            time.sleep(float(answer.headers.get("Retry-After", 1)))

    def json(self, method: str, service: str, path: str, *, body: Any = None) -> Any:
        """Send a request that is expected to succeed.

        Raises:
            StorefrontError: It did not; carries the answer.
        """
        answer = self.send(method, service, path, body=body)
        return accepted(answer, f"{method} {answer.url}")

    def pages(self, service: str, path: str, *, limit: int = 100) -> Iterator[Json]:
        """Every item of a list, page after page.

        Args:
            service: The service's name.
            path: The route of the list.
            limit: How many to ask for at once.
        """
        query = {"limit": str(limit)}
        while True:
            page = accepted(self.send("GET", service, path, query=query), f"GET {path}")
            yield from page["items"]
            if "nextCursor" not in page:
                return
            query["cursor"] = page["nextCursor"]

    def catalogue(self) -> list[Json]:
        """Every product that is on sale."""
        return list(self.pages("product", "/products"))


class Customer(Caller):
    """What a customer does and sees.

    Args:
        commerce: The platform.
        user: The user name, created if there is none; somebody new without it.
    """

    def __init__(self, commerce: Commerce, user: str = "") -> None:
        super().__init__(commerce, commerce.token(user or f"customer-{secrets.token_hex(8)}"))

    def ask(
        self, lines: Mapping[str, int], pay: str = "tok_visa", *, key: str | None = None, **more: Any
    ) -> requests.Response:
        """Send an order, whatever the answer.

        Args:
            lines: Quantity by sku.
            pay: The payment provider's token.
            key: The idempotency key; a new one without it.
            more: More of the body.
        """
        items = [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        body = {"items": items, "paymentMethod": pay, **more}
        return self.send("POST", "order", "/orders", body=body, headers=headers)

    def place(
        self, lines: Mapping[str, int], pay: str = "tok_visa", *, patience: float | None = None
    ) -> Order:
        """Place an order, again while the order service has not yet heard of a product or its delivery.

        Args:
            lines: Quantity by sku.
            pay: The payment provider's token.
            patience: How many seconds to try again for, if not the platform's.

        Raises:
            StorefrontError: It was refused; says why, line by line.
        """
        key = secrets.token_hex(16)
        answer = patiently(
            lambda: self.ask(lines, pay, key=key),
            lambda answer: not _may_pass(answer),
            self.commerce.patience if patience is None else patience,
        )
        return Order(self, accepted(answer, "The order")["orderId"])

    def orders(self, *, limit: int = 100) -> list[Json]:
        """All of the customer's orders, newest first.

        Args:
            limit: How many to ask for at once.
        """
        return list(self.pages("order", "/orders", limit=limit))


@dataclass(frozen=True)
class Order:
    """An order, through its customer's eyes."""

    customer: Customer = field(repr=False)
    id: str

    def read(self) -> Json:
        """The order as it is now."""
        order: Json = self.customer.json("GET", "order", f"/orders/{self.id}")
        return order

    def cancel(self) -> requests.Response:
        """Ask for its cancellation: 202, or 409 when it is too late."""
        return self.customer.send("POST", "order", f"/orders/{self.id}/cancellation")

    def follow(self, until: Iterable[str] = ENDED, *, seconds: float = END_SECONDS) -> Json:
        """Wait until the order has been in one of some statuses.

        Raises:
            StorefrontError: It was in none of them in time.
        """
        wanted = set(until)
        order = patiently(self.read, lambda order: bool(wanted & {*statuses(order)}), seconds)
        if not wanted & {*statuses(order)}:
            raise StorefrontError(
                f"Order {self.id} is still {order['status']} after {seconds:.0f} s.",
                f"What happened to it: make trace ORDER={self.id}",
            )
        return order


class Operator(Caller):
    """What an operator does and sees.

    Args:
        commerce: The platform.
        user: The user name, created if there is none.
    """

    def __init__(self, commerce: Commerce, user: str = "stock-keeper") -> None:
        super().__init__(commerce, commerce.token(user, OPERATORS))

    def offer(self, sku: str, product: Mapping[str, Any]) -> None:
        """Put a product on sale, or change it.

        Args:
            sku: Which.
            product: Name, category, price, description.
        """
        self.json("PUT", "product", f"/products/{sku}", body=product)

    def stock(self, sku: str) -> Json:
        """A product's stock; nothing of it if the inventory has never had any."""
        answer = self.send("GET", "inventory", f"/stock/{sku}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return {"onHand": 0, "reserved": 0, "available": 0, "version": 0}
        stock: Json = accepted(answer, f"GET /stock/{sku}")
        return stock

    def deliver(self, sku: str, quantity: int, receipt: str) -> None:
        """Record a delivery; a receipt that was recorded before changes nothing."""
        body = {"receiptId": receipt, "quantity": quantity}
        self.json("POST", "inventory", f"/stock/{sku}/receipts", body=body)

    def stock_up(self, sku: str, wanted: int) -> None:
        """See to it that at least so many pieces can be sold, and wait until they are counted.

        The receipt is named after the stock's version, so that two who stock up at once deliver once.

        Raises:
            StorefrontError: The delivery was not counted in time.
        """
        stock = self.stock(sku)
        if stock["available"] >= wanted:
            return
        self.deliver(sku, wanted - stock["available"], f"top-up-{stock['version']}")
        if not patiently(
            lambda: self.stock(sku)["available"] >= wanted, lambda is_there: is_there, HEARD_SECONDS
        ):
            raise StorefrontError(
                f"The inventory has not counted the delivery of {sku} after {HEARD_SECONDS:.0f} s.",
                "Its log says why: make logs SERVICE=inventory-service",
            )

    def payment(self, order_id: str) -> Json:
        """An order's payment; nothing of it if none was ever asked for."""
        answer = self.send("GET", "payment", f"/payments/{order_id}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return {}
        payment: Json = accepted(answer, f"GET /payments/{order_id}")
        return payment

    def fulfil(self, order_id: str) -> requests.Response:
        """Hand an order over to its customer: 202, or 409 where it is not confirmed."""
        return self.send("POST", "order", f"/operations/orders/{order_id}/fulfilment")


def patiently(read: Callable[[], T], until: Callable[[T], bool], seconds: float) -> T:
    """Read until it is as it should be or the time is over.

    Returns:
        What was read last.
    """
    deadline = time.monotonic() + seconds
    while not until(seen := read()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return seen


def statuses(order: Json) -> list[str]:
    """The statuses that an order has been in."""
    return [entry["status"] for entry in order["timeline"]]


def accepted(answer: requests.Response, what: str) -> Any:
    """The body of an answer that is expected to be a success.

    Raises:
        StorefrontError: It is not; says why, line by line.
    """
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise StorefrontError(
            f"{what} failed ({answer.status_code}): {refusal(answer.text)}",
            "Why, say the logs: make logs SINCE=5m",
        )
    if not answer.ok:
        raise StorefrontError(f"{what} was refused ({answer.status_code}): {refusal(answer.text)}")
    return answer.json() if answer.content else None


def refusal(answer: str) -> str:
    """A problem document as a person reads it."""
    try:
        problem = json.loads(answer)
    except ValueError:
        return answer[:500]
    lines = [str(problem.get("detail") or problem.get("title") or answer[:500])]
    lines += [f"  {error['detail']}" for error in problem.get("errors", ())]
    lines += [
        f"  {short['sku']}: {short['requested']} wanted, {short['available']} left"
        for short in problem.get("shortages", ())
    ]
    return "\n".join(lines)


def _may_pass(answer: requests.Response) -> bool:
    """Whether a refusal is one of a service that has not heard of everything yet."""
    unknown = (
        answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY and "is not in the catalogue" in answer.text
    )
    return unknown or (answer.status_code == HTTPStatus.CONFLICT and '"shortages"' in answer.text)
