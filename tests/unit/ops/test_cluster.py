"""Topics forget and rights are given as the contracts say; nothing more is allowed."""

from contracts import topics
from contracts.topics import TopicKind
from ops.embedded.cluster import KafkaAccess, Rule, rules, topic_settings

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


def test_only_the_bridge_and_the_operator_may_read_credentials():
    assert may("ocpp-bridge", "READ", "fleet.credentials.v1")
    assert not may("portal", "READ", "fleet.credentials.v1")
    assert not may("fleet", "READ", "fleet.credentials.v1")


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
