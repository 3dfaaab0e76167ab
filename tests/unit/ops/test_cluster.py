"""Topics forget and rights are given as the contracts say; nothing more is allowed."""

import pytest

from contracts import topics
from contracts.topics import TopicKind
from ops.embedded.cluster import Cluster, KafkaAccess, Rule, rules, topic_settings
from ops.embedded.problems import Problem

SERVICES = [service.value for service in topics.Service]


def may(principal: str, operation: str, topic: str) -> bool:
    return Rule(principal, operation, "topic", topic) in rules(topics.ALL, SERVICES)


def test_only_its_writer_may_write_a_topic():
    written = {rule.name: rule.principal for rule in rules(topics.ALL, SERVICES) if rule.operation == "WRITE"}
    assert written == {topic.name: topic.writer.value for topic in topics.ALL}


def test_only_readers_and_the_operator_may_read_a_topic():
    granted = rules(topics.ALL, SERVICES)
    for topic in topics.ALL:
        read = {rule.principal for rule in granted if rule.operation == "READ" and rule.name == topic.name}
        assert read == {reader.value for reader in topic.readers} | (set() if topic.confidential else {"ops"})


def test_only_the_bridge_may_read_credentials_and_not_even_the_operator():
    may_read = [name for name in (*SERVICES, "ops") if may(name, "READ", "fleet.credentials.v1")]
    assert may_read == ["ocpp-bridge"]


def test_nobody_has_a_right_that_does_not_follow_from_a_topic_or_a_group():
    for rule in rules(topics.ALL, SERVICES):
        assert rule.resource in {"topic", "group"}
        assert rule.operation in {"READ", "WRITE", "DESCRIBE"}
        assert rule.prefixed == (rule.resource == "group" and rule.name != "*")
    everywhere = {
        (rule.principal, rule.operation, rule.resource) for rule in rules(topics.ALL, SERVICES) if rule.name == "*"
    }
    assert everywhere == {("ops", "DESCRIBE", "group")}


def test_a_service_has_the_groups_of_its_own_name_only():
    grouped = [rule for rule in rules(topics.ALL, SERVICES) if rule.resource == "group" and rule.operation == "READ"]
    assert {(rule.principal, rule.name) for rule in grouped} == {(name, f"{name}.") for name in (*SERVICES, "ops")}
    assert all(rule.prefixed for rule in grouped)


def test_compacted_topics_compact_and_keep_no_time():
    settings = topic_settings(topics.FLEET_CHARGERS)
    assert settings["cleanup.policy"] == "compact"
    assert "retention.ms" not in settings


def test_retained_topics_keep_as_long_as_the_contract_says():
    settings = topic_settings(topics.RESTART_ATTEMPTS)
    assert settings == {"cleanup.policy": "delete", "retention.ms": str(400 * 86_400_000)}


def test_short_topics_have_segments_no_longer_than_they_keep():
    for topic in topics.ALL:
        if topic.kind is TopicKind.SHORT:
            settings = topic_settings(topic)
            assert int(settings["segment.ms"]) <= int(settings["retention.ms"])


def test_an_existing_cluster_is_taken_from_the_environment_and_given_to_services_alike():
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2",
        "KAFKA_USERNAME": "me",
        "KAFKA_PASSWORD": "secret",
        "KAFKA_TLS": "true",
    }
    access = KafkaAccess.from_environment(environment)
    assert access == KafkaAccess("a:1,b:2", "me", "secret", tls=True)
    assert access.environment() == environment


def test_without_an_address_there_is_no_existing_cluster():
    assert KafkaAccess.from_environment({"KAFKA_USERNAME": "me"}) is None


def test_a_cluster_without_login_tells_services_nothing_of_one():
    assert KafkaAccess("a:1").environment() == {"KAFKA_BOOTSTRAP_SERVERS": "a:1"}


class _Logins(Cluster):
    """A cluster that says that it knows a user, and lets it in only at the given time of asking."""

    asked = 0
    lets_in_at = 0

    def _settle(self, *_):
        pass

    def _knows(self, *_):
        return True

    def _topics(self):
        _Logins.asked += 1
        if _Logins.asked < _Logins.lets_in_at:
            raise Problem("Authentication failed")
        return {}


@pytest.fixture
def logins(monkeypatch):
    monkeypatch.setattr("ops.embedded.cluster.Cluster", _Logins)
    monkeypatch.setattr(_Logins, "asked", 0)
    return lambda patience_s: _Logins(KafkaAccess("127.0.0.1:1"), patience_s=patience_s)


async def test_a_new_user_who_is_not_let_in_at_once_is_waited_for(logins, monkeypatch):
    monkeypatch.setattr(_Logins, "lets_in_at", 3)
    await logins(30).create_users({"fleet": "secret"})
    assert _Logins.asked == 3


async def test_a_new_user_who_is_never_let_in_is_told(logins, monkeypatch):
    monkeypatch.setattr(_Logins, "lets_in_at", 1_000_000)
    with pytest.raises(Problem, match="Authentication failed"):
        await logins(0.2).create_users({"fleet": "secret"})
