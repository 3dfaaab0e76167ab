"""Topics, users and rights of a Kafka cluster, all derived from the contracts: deny by default."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    TopicMetadata,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from contracts.topics import Topic, TopicKind
from ops.embedded.problems import Problem

OPERATOR = "ops"
"""The principal and database role of the command itself: reads every topic that is not confidential."""

_PATIENCE_S = 30.0
_POLL_S = 0.05
_SCRAM_ITERATIONS = 4096
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


@dataclass(frozen=True)
class KafkaAccess:
    """Where a cluster is and who we are to it; without a username nobody asks."""

    bootstrap: str
    username: str | None = None
    password: str | None = None
    tls: bool = False

    def environment(self) -> dict[str, str]:
        """As the settings of every service spell it."""
        known = {"KAFKA_BOOTSTRAP_SERVERS": self.bootstrap}
        if self.username is not None:
            known |= {"KAFKA_USERNAME": self.username, "KAFKA_PASSWORD": self.password or ""}
        if self.tls:
            known["KAFKA_TLS"] = "true"
        return known

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "KafkaAccess | None":
        """An existing cluster, when the environment names one."""
        bootstrap = environment.get("KAFKA_BOOTSTRAP_SERVERS")
        if not bootstrap:
            return None
        return cls(
            bootstrap,
            environment.get("KAFKA_USERNAME") or None,
            environment.get("KAFKA_PASSWORD") or None,
            environment.get("KAFKA_TLS", "").lower() in ("1", "true", "yes"),
        )


@dataclass(frozen=True, order=True)
class Rule:
    """One right: what a principal may do with a topic, or with the groups whose names begin so."""

    principal: str
    operation: str
    resource: str
    name: str
    prefixed: bool = False


def topic_settings(topic: Topic) -> dict[str, str]:
    """How Kafka forgets what stands on a topic."""
    retention = "-1" if topic.retention is None else str(int(topic.retention.total_seconds() * 1000))
    match topic.kind:
        case TopicKind.COMPACTED:
            # A reader that was away for a week still learns what was removed.
            return {
                "cleanup.policy": "compact",
                "min.cleanable.dirty.ratio": "0.1",
                "segment.ms": str(_DAY_MS),
                "delete.retention.ms": str(7 * _DAY_MS),
            }
        case TopicKind.RETAINED:
            return {"cleanup.policy": "delete", "retention.ms": retention}
        case TopicKind.SHORT:
            # Whole segments are removed, so they must be no longer than the time that they are kept.
            segment = min(_HOUR_MS, int(retention)) if topic.retention else _HOUR_MS
            return {"cleanup.policy": "delete", "retention.ms": retention, "segment.ms": str(segment)}


def rules(topics: Iterable[Topic], services: Iterable[str]) -> set[Rule]:
    """Every right that there is: writers write, readers read, each service has the groups of its name.

    The operator reads every topic and sees every group's position, but writes nothing.
    """
    granted: set[Rule] = set()
    for topic in topics:
        writer = str(topic.writer)
        granted |= {Rule(writer, operation, "topic", topic.name) for operation in ("WRITE", "DESCRIBE")}
        operators = () if topic.confidential else (OPERATOR,)
        for reader in (*map(str, topic.readers), *operators):
            granted |= {Rule(reader, operation, "topic", topic.name) for operation in ("READ", "DESCRIBE")}
    granted |= {Rule(service, "READ", "group", f"{service}.", prefixed=True) for service in (*services, OPERATOR)}
    granted.add(Rule(OPERATOR, "DESCRIBE", "group", "*"))
    return granted


class Cluster:
    """Administration of one cluster.

    Args:
        access: where it is, as a user who may administer it.
        mechanism: how that user proves itself; PLAIN reaches the embedded broker before it has any users.
        patience_s: how long to wait for an answer.
    """

    def __init__(
        self, access: KafkaAccess, *, mechanism: str = "SCRAM-SHA-512", patience_s: float = _PATIENCE_S
    ) -> None:
        settings: dict[str, Any] = {
            "bootstrap.servers": access.bootstrap,
            "socket.timeout.ms": int(patience_s * 1000),
            "log_level": 0,  # librdkafka would write to our standard error; what matters is raised.
            "error_cb": self._note,
            "security.protocol": ("SASL_" if access.username else "") + ("SSL" if access.tls else "PLAINTEXT"),
        }
        if access.username:
            settings |= {
                "sasl.mechanism": mechanism,
                "sasl.username": access.username,
                "sasl.password": access.password or "",
            }
        self._access = access
        self._patience_s = patience_s
        self._heard: str | None = None
        self._admin = AdminClient(settings)

    async def create_topics(self, topics: Iterable[Topic], *, ours: bool) -> list[str]:
        """Create the topics that are missing; gives their names.

        On a broker of ours, topics have one replica and settings that differ are put right. Elsewhere the cluster's own
        replication holds, and what exists is left as it is.

        Raises:
            Problem: a topic has another number of partitions than the contracts say, or the cluster refused.
        """
        return await asyncio.to_thread(self._create_topics, list(topics), ours)

    async def create_users(self, passwords: Mapping[str, str]) -> None:
        """Give each of these users this password (SCRAM-SHA-512), whether or not they were there, and let them in.

        Raises:
            Problem: the cluster refused.
        """
        await asyncio.to_thread(self._create_users, passwords)

    async def grant(self, wanted: set[Rule]) -> None:
        """Make the rights of the principals in `wanted` exactly these: more are granted, others taken back.

        Raises:
            Problem: the cluster refused.
        """
        await asyncio.to_thread(self._grant, wanted)

    def _create_topics(self, topics: list[Topic], ours: bool) -> list[str]:
        there = self._topics()
        for topic in topics:
            if topic.name in there and len(there[topic.name].partitions) != topic.partitions:
                raise Problem(
                    f"Topic {topic.name} has {len(there[topic.name].partitions)} partitions and must have "
                    f"{topic.partitions}: with another number the messages of one charger lose their order",
                    todo="Delete the topic (its messages go with it), or start with an empty --data-dir",
                )
        missing = [topic for topic in topics if topic.name not in there]
        if missing:
            replicas = 1 if ours else -1
            new = [NewTopic(t.name, t.partitions, replicas, config=topic_settings(t)) for t in missing]
            self._settle(self._admin.create_topics(new, request_timeout=self._patience_s), "could not create a topic")
            # Created is not yet known: whoever starts now must find them.
            deadline = time.monotonic() + self._patience_s
            while not {t.name for t in missing} <= self._topics().keys() and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        known = [topic for topic in topics if topic.name in there]
        if known and ours:
            self._adjust(known)
        return [topic.name for topic in missing]

    def _topics(self) -> dict[str, TopicMetadata]:
        try:
            return dict(self._admin.list_topics(timeout=self._patience_s).topics)
        except KafkaException as error:
            raise self._refused("could not be asked for its topics", error) from error

    def _adjust(self, topics: list[Topic]) -> None:
        resources = [
            ConfigResource(
                ConfigResource.Type.TOPIC,
                topic.name,
                incremental_configs=[
                    ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                    for name, value in topic_settings(topic).items()
                ],
            )
            for topic in topics
        ]
        self._settle(self._admin.incremental_alter_configs(resources), "could not change a topic's settings")

    def _create_users(self, passwords: Mapping[str, str]) -> None:
        how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _SCRAM_ITERATIONS)
        wanted: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(user, how, password.encode()) for user, password in passwords.items()
        ]
        self._settle(self._admin.alter_user_scram_credentials(wanted), "could not create a user")
        # Created is not yet known: whoever starts now must be let in. All become known together, so one is asked for.
        user, password = list(passwords.items())[-1]
        deadline = time.monotonic() + self._patience_s
        while not self._knows(user) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        # What checks logins in the broker hears of it a moment after what was just asked.
        as_user = KafkaAccess(self._access.bootstrap, user, password, self._access.tls)
        while True:
            try:
                Cluster(as_user, patience_s=self._patience_s)._topics()  # noqa: SLF001 our own
                return
            except Problem:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_S)

    def _knows(self, user: str) -> bool:
        asked = self._admin.describe_user_scram_credentials([user], request_timeout=self._patience_s)
        try:
            asked[user].result(self._patience_s)  # type: ignore[index]
        except KafkaException:  # A reason that lasts is told by the login that follows.
            return False
        return True

    def _grant(self, wanted: set[Rule]) -> None:
        principals = {f"User:{rule.principal}" for rule in wanted}
        anything = AclBindingFilter(
            ResourceType.ANY,
            None,  # type: ignore[arg-type]
            ResourcePatternType.ANY,
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        try:
            found = self._admin.describe_acls(anything, request_timeout=self._patience_s).result(self._patience_s)
        except KafkaException as error:
            raise self._refused("could not be asked for its rights", error) from error
        there = {_key(binding): binding for binding in found if binding.principal in principals}
        new = {_key(binding): binding for binding in map(_binding, wanted)}
        if missing := [binding for key, binding in new.items() if key not in there]:
            self._settle(self._admin.create_acls(missing), "could not grant a right")
        if stale := [_filter(binding) for key, binding in there.items() if key not in new]:
            self._settle(self._admin.delete_acls(stale), "could not take a right back")

    def _settle(self, futures: Mapping[Any, "Future[Any]"], failed: str) -> None:
        for future in futures.values():
            try:
                future.result(self._patience_s)
            except KafkaException as error:
                raise self._refused(failed, error) from error

    def _note(self, error: KafkaError) -> None:
        """What a call that timed out does not say: why the broker could not be reached."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - its public name for it
            self._heard = error.str()

    def _refused(self, failed: str, error: KafkaException) -> Problem:
        self._admin.poll(0)  # Lets it tell what it heard meanwhile.
        reason = self._heard or (error.args[0].str() if error.args else str(error))
        return Problem(f"Kafka at {self._access.bootstrap} {failed}: {reason}")


def _binding(rule: Rule) -> AclBinding:
    return AclBinding(
        ResourceType[rule.resource.upper()],
        rule.name,
        ResourcePatternType.PREFIXED if rule.prefixed else ResourcePatternType.LITERAL,
        f"User:{rule.principal}",
        "*",
        AclOperation[rule.operation],
        AclPermissionType.ALLOW,
    )


def _filter(b: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        b.restype, b.name, b.resource_pattern_type, b.principal, b.host, b.operation, b.permission_type
    )


def _key(b: AclBinding) -> tuple[Any, ...]:
    return (b.restype, b.name, b.resource_pattern_type, b.principal, b.host, b.operation, b.permission_type)
