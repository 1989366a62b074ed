"""Storing requests in a queue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared_constructs.direct_api.bindings import Bindings
from shared_constructs.direct_api.described import of_document
from shared_constructs.direct_api.integration import MethodIntegration, statement
from shared_constructs.direct_api.values import Context, Document, Part, Text
from shared_constructs.direct_api.vtl import FORM, JSON, JSON_IN_FORM, url_text, when
from shared_constructs.queue_consumer import QueueConsumer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_sqs as sqs
    from pydantic import BaseModel


@dataclass(frozen=True, kw_only=True)
class SendToQueue:
    """Store the request in a queue before anything else happens to it.

    Attributes:
        queue: Standard queue of this account and region, or the consumer of one.
        request: Model that the body must fit; None accepts any JSON body (a webhook whose signature is checked later).
        message: JSON message; None sends the raw body.
        attributes: String message attributes; an optional header or parameter that is absent is left out. At most 9,
            since SQS takes 10 and `correlationId` is always one.
        response: Body of the answer.
        status: Of success.
    """

    queue: sqs.IQueue | QueueConsumer
    request: type[BaseModel] | None = None
    message: Mapping[str, Document] | None = None
    attributes: Mapping[str, Part | Text] = field(default_factory=dict)
    response: Mapping[str, Document] = field(default_factory=dict)
    status: int = 202

    def __post_init__(self) -> None:
        if len(self.attributes) > 9:  # noqa: PLR2004 - explained in the message
            raise ValueError(
                f"SQS takes 10 message attributes and correlationId is one, so at most 9 more, got {len(self.attributes)}"
            )

    def integration(self) -> MethodIntegration:
        """Write the templates: SQS's query protocol, form-encoded."""
        queue = self.queue.resources.queue if isinstance(self.queue, QueueConsumer) else self.queue
        request, answer = Bindings(self.request), Bindings.of_answer()
        if self.message is None:
            message = FORM.json("$input.body")
        else:
            message = request.document(self.message, JSON_IN_FORM)
        permissions = [statement("sqs:SendMessage", queue.queue_arn)]
        if key := queue.encryption_master_key:
            permissions += [
                statement("kms:Decrypt", key.key_arn),
                statement("kms:GenerateDataKey", key.key_arn),
            ]
        return MethodIntegration(
            service="sqs",
            path=f"{queue.stack.account}/{queue.queue_name}",
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            form=True,
            call=f"Action=SendMessage&Version=2012-11-05&MessageBody={message}{self._attributes(request)}",
            # No body, and an attribute of no known type: SQS refuses either.
            refused="Action=SendMessage&Version=2012-11-05&MessageAttribute.1.Name=refused"
            "&MessageAttribute.1.Value.DataType=Refused&MessageAttribute.1.Value.StringValue=refused",
            content=answer.document(self.response, JSON),
            status=self.status,
            response=of_document(self.response, self.request),
            permissions=permissions,
            request=request,
            answer=answer,
        )

    def _attributes(self, request: Bindings) -> str:
        attributes: dict[str, Part | Text] = {"correlationId": Context.CORRELATION_ID, **self.attributes}
        # SQS wants them numbered without gaps, so those that are there count.
        request.lines.append("#set($number = 0)")
        text = ""
        for name, value in attributes.items():
            attribute = (
                f"#set($number = $number + 1)&MessageAttribute.${{number}}.Name={url_text(name)}"
                f"&MessageAttribute.${{number}}.Value.DataType=String"
                f"&MessageAttribute.${{number}}.Value.StringValue={request.string(value, FORM)}"
            )
            text += when(request.presence(value), attribute)
        return text
