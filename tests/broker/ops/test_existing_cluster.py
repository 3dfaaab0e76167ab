"""The same stack on a Kafka and a PostgreSQL that someone else runs."""

import dataclasses
import http.client
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest
import pytest_asyncio

from chassis.testing import eventually
from contracts import topics
from ops.embedded import database
from ops.embedded.cluster import Cluster, KafkaAccess
from ops.embedded.testing import Infrastructure, infrastructure
from ops.stack import Problem, Stack, find

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(480)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theirs() -> AsyncIterator[Infrastructure]:
    async with infrastructure() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def their_database(theirs: Infrastructure) -> AsyncIterator[str]:
    url = await theirs.create_database()
    yield url
    await theirs.drop_database(url)


def heard(stack: Stack, service: str) -> dict[str, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", stack.ports[service], timeout=60)
    connection.request("GET", "/health/ready")
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


async def test_services_use_the_given_cluster_with_its_credentials_and_roles_of_their_own(
    theirs, their_database, stub_options, folder
):
    access = theirs.kafka_access()
    given = replace(stub_options, kafka=None).from_environment({**access.environment(), "DATABASE_URL": their_database})
    async with Stack(given) as stack:
        assert set(stack.processes) == {service.name for service in stub_options.services}
        portal = heard(stack, "portal")
        assert (portal["KAFKA_BOOTSTRAP_SERVERS"], portal["KAFKA_USERNAME"]) == (theirs.kafka.address, "admin")
        assert (portal["DATABASE_URL"] or "").startswith("postgresql://portal:")
        state = find(folder)
        assert state is not None
        assert (state.kafka_embedded, state.postgres_embedded) == (False, False)
    assert theirs.kafka.process.running
    assert await Cluster(access).create_topics(topics.ALL, ours=False) == []


async def test_a_user_who_may_not_create_roles_is_shared_by_all_services(theirs, their_database, stub_options):
    admin = await asyncpg.connect(their_database)
    name = their_database.rpartition("/")[2]
    await admin.execute(f"CREATE ROLE plain_{name} LOGIN PASSWORD 'plain'")
    await admin.execute(f"GRANT CREATE, CONNECT ON DATABASE {name} TO plain_{name}")
    url = database.with_user(their_database, f"plain_{name}", "plain")
    async with Stack(replace(stub_options, kafka=theirs.kafka_access(), database_url=url)) as stack:
        assert {heard(stack, service.name)["DATABASE_URL"] for service in stub_options.services} == {url}
    schemas = await admin.fetch("SELECT nspname FROM pg_namespace WHERE nspowner = $1::regrole", f"plain_{name}")
    assert {row["nspname"] for row in schemas} == {service.module for service in stub_options.services}
    await admin.execute(f"DROP OWNED BY plain_{name}; DROP ROLE plain_{name}")
    await admin.close()


async def test_a_role_of_someone_else_is_never_taken_over(theirs, their_database):
    admin = await asyncpg.connect(their_database)
    await admin.execute("CREATE ROLE someone_else")
    with pytest.raises(Problem, match="already has a role someone_else that Comeback did not make"):
        await database.provision_roles(their_database, {"someone_else": "x", "ops": "y"}, "ops", alone=False)
    await admin.execute("DROP ROLE someone_else")
    await admin.close()


async def test_a_topic_with_another_number_of_partitions_is_refused(theirs):
    topic = dataclasses.replace(topics.AUTH_GROUPS, name="differs.v1", partitions=2)
    await theirs.create_topics([topic])
    with pytest.raises(Problem, match=r"Topic differs\.v1 has 2 partitions and must have 12"):
        await theirs.create_topics([dataclasses.replace(topic, partitions=12)])


async def test_rights_that_the_contracts_no_longer_give_are_taken_back(theirs):
    from confluent_kafka import KafkaError
    from confluent_kafka.admin import (
        AclBindingFilter,
        AclOperation,
        AclPermissionType,
        ResourcePatternType,
        ResourceType,
    )

    from ops.embedded.cluster import Rule

    cluster = Cluster(theirs.kafka_access())
    keeps = Rule("changing", "READ", "topic", "kept.v1")
    await cluster.grant({keeps, Rule("changing", "READ", "topic", "lost.v1")})
    await cluster.grant({keeps})
    all_of_them = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, "User:changing", None, AclOperation.ANY, AclPermissionType.ANY
    )

    def only_what_they_give_is_left() -> None:
        left = cluster._admin.describe_acls(all_of_them).result(60)
        assert not isinstance(left, KafkaError)
        assert [binding.name for binding in left] == ["kept.v1"]

    # A broker answers from what it has applied of its metadata so far.
    await eventually(only_what_they_give_is_left, within=60)


async def test_a_cluster_that_cannot_be_reached_is_told_with_its_address(stub_options):
    nowhere = KafkaAccess("127.0.0.1:1")
    with pytest.raises(Problem, match=r"Kafka at 127\.0\.0\.1:1 "):
        await Cluster(nowhere, patience_s=1).create_topics(topics.ALL, ours=False)


async def test_wrong_credentials_for_kafka_are_told_as_such(theirs):
    wrong = dataclasses.replace(theirs.kafka_access(), password="wrong")
    with pytest.raises(Problem, match=r"Authentication failed|refused the credentials"):
        await Cluster(wrong, patience_s=3).create_topics(topics.ALL, ours=False)


async def test_a_database_that_cannot_be_reached_is_told_without_its_password(stub_options):
    with pytest.raises(Problem, match=r"The database postgresql://me@127\.0\.0\.1:1/x cannot be reached") as caught:
        await database.may_create_roles("postgresql://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)
