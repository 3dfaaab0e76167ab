"""How this process reaches Kafka: connection options for both client libraries, and errors in words for people."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from faststream.security import BaseSecurity, SASLScram512

from chassis.settings import ServiceSettings

REQUEST_TIMEOUT_MS = 10_000
FETCH_WAIT_MS = 1000
"""How long Kafka may hold a fetch that has nothing to give; it answers at once when there is something. Shorter costs a
small broker more while nothing happens; longer delays a partition that was left out of a fetch by a slow handler."""


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where Kafka is and who we are there. Without a user name the connection is plain and anonymous.

    Attributes:
        instance_id: the name by which consumer groups know the next process again after this one was killed, so that it
            takes this one's place at once. None: the groups wait until they have not heard of this one for long enough.
    """

    bootstrap_servers: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    client_id: str = "comeback"
    instance_id: str | None = None

    @classmethod
    def from_settings(cls, settings: ServiceSettings, client_id: str) -> "KafkaConnection":
        password = settings.kafka_password.get_secret_value() if settings.kafka_password else None
        return cls(
            settings.kafka_bootstrap_servers,
            settings.kafka_username,
            password,
            settings.kafka_tls,
            client_id,
            settings.instance_id,
        )

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for an aiokafka client."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "client_id": self.client_id,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
        }
        if self.tls:
            options["ssl_context"] = ssl.create_default_context()
        if self.username is None:
            options["security_protocol"] = "SSL" if self.tls else "PLAINTEXT"
        else:
            options["security_protocol"] = "SASL_SSL" if self.tls else "SASL_PLAINTEXT"
            options["sasl_mechanism"] = "SCRAM-SHA-512"
            options["sasl_plain_username"] = self.username
            options["sasl_plain_password"] = self.password
        return options

    def security(self) -> BaseSecurity | None:
        """The same for FastStream."""
        context = ssl.create_default_context() if self.tls else None
        if self.username is None:
            return BaseSecurity(ssl_context=context, use_ssl=True) if self.tls else None
        return SASLScram512(self.username, self.password or "", ssl_context=context, use_ssl=self.tls)

    def idempotent_producer(self) -> AIOKafkaProducer:
        """A producer that neither loses, repeats nor reorders what it was given, and does not wait to batch."""
        return AIOKafkaProducer(**self.client_options(), enable_idempotence=True, acks="all", linger_ms=0)

    async def explain(self, error: BaseException) -> str:
        """What went wrong, in a sentence for people.

        The client library reports a refused password as a failure to connect, so the port is tried to tell them apart.
        """
        who = self.username or "an anonymous client"
        if isinstance(error, TopicAuthorizationFailedError):
            return f"Kafka refuses {who} this topic ({error}): grant the right, or correct KAFKA_USERNAME"
        if isinstance(error, GroupAuthorizationFailedError):
            return f"Kafka refuses {who} this consumer group ({error}): grant the right, or correct KAFKA_USERNAME"
        if isinstance(error, UnknownTopicOrPartitionError):
            return f"Kafka has no such topic ({error}): create the topics first"
        if isinstance(error, KafkaError | OSError | TimeoutError):
            if await self._port_is_open():
                return f"Kafka at {self.bootstrap_servers} is reachable but refused {who} or did not answer: {error!r}"
            return f"Kafka at {self.bootstrap_servers} cannot be reached: is it running, is the address right?"
        return repr(error)

    async def _port_is_open(self) -> bool:
        for server in self.bootstrap_servers.split(","):
            host, _, port = server.strip().rpartition(":")
            with contextlib.suppress(OSError, TimeoutError, ValueError):
                async with asyncio.timeout(1):
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                writer.close()
                return True
        return False


def has_died(producer: AIOKafkaProducer) -> bool:
    """Whether the producer's background work has ended with an error, after which it sends nothing any more."""
    task = producer._sender.sender_task  # noqa: SLF001 the library tells it nowhere else
    return task is not None and task.done()


async def stop_producer(producer: AIOKafkaProducer, *, within: float = 2.0) -> bool:
    """Stops a producer, letting it deliver what it holds for up to `within` seconds.

    An idempotent producer retries for ever, so without this bound a stop would wait until Kafka is back.
    Returns whether all was delivered.
    """
    try:
        async with asyncio.timeout(within):
            await producer.stop()
    except TimeoutError:
        await discard_producer(producer)
        return False
    return True


async def discard_producer(producer: AIOKafkaProducer) -> None:
    """Ends a producer at once; what it still holds is not sent any more."""
    producer._closed = True  # noqa: SLF001 the library offers no stop without delivery
    task = producer._sender.sender_task  # noqa: SLF001
    if task is not None and not task.done():
        await producer.client.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError, KafkaError):
            async with asyncio.timeout(1):
                await task
    else:
        await producer.client.close()
