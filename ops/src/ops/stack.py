"""From a data folder to a running stack: Kafka, PostgreSQL, topics, rights, schemas, and the services on top."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from contracts import topics
from ops.embedded import aot, database
from ops.embedded.cluster import OPERATOR, Cluster, KafkaAccess, rules
from ops.embedded.kafka import ADMIN, Kafka
from ops.embedded.lock import FolderLock
from ops.embedded.options import StackOptions
from ops.embedded.places import DataDir
from ops.embedded.ports import HOST, choose
from ops.embedded.postgres import Postgres
from ops.embedded.preloaded import launch_of, may_be_forked, preloaded
from ops.embedded.problems import Problem, of_os_error
from ops.embedded.processes import Identity, Process, Program, end_leftover, run
from ops.embedded.progress import Reporter, step
from ops.embedded.readiness import service_ready
from ops.embedded.services import BRIDGE_PORT, PORTAL, Service, environment, wishes
from ops.embedded.state import RunningProcess, StackState, down, find
from ops.embedded.supervise import Supervisor

__all__ = ["Problem", "Stack", "StackOptions", "StackState", "down", "find", "run_stack"]

DATABASE = "comeback"

_T = TypeVar("_T")

_LEFTOVER_S = 15.0
_SERVICE_START_S = 120.0
_TRAIN_AFTER_S = 20.0
_OURS = frozenset({"DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_USERNAME", "KAFKA_PASSWORD", "KAFKA_TLS"})


class Stack:
    """A stack for the length of an `async with` block, or between `start` and `stop`.

    Everything it starts is a child of this process, or of one that forks for it, and ends with it, even when it is
    killed (on Linux; elsewhere the next start on the same folder clears up). Start it from the main thread.
    """

    def __init__(self, options: StackOptions, reporter: Reporter | None = None) -> None:
        self.options = options
        self.data = DataDir(options.data_dir)
        self.ports: dict[str, int] = {}
        self.kafka: Kafka | None = None
        """Our broker; None when an existing cluster is used, and before the start."""
        self.postgres: Postgres | None = None
        """Our database server; None when an existing one is used, and before the start."""
        self._reporter = reporter or Reporter()
        self._supervisor = Supervisor(self._reporter, backoff=options.backoff, changed=self._write_state)
        self._lock = FolderLock(self.data.lock)
        self._training: asyncio.Task[None] | None = None
        self._kafka_access: dict[str, KafkaAccess] = {}
        self._database_urls: dict[str, str] = {}
        self._admin_database_url = ""
        self._up = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def portal_url(self) -> str | None:
        """Where people and API clients go."""
        return self._url(PORTAL)

    @property
    def bridge_url(self) -> str | None:
        """Where chargers connect: append the charger's identity."""
        port = self.ports.get(BRIDGE_PORT)
        return f"ws://{self._shown_host}:{port}/ocpp/" if port else None

    @property
    def processes(self) -> Mapping[str, Process]:
        """By name: `kafka`, `postgres` and the services. One that is stopped or killed through here stays down."""
        return self._supervisor.processes

    def kafka_access(self, principal: str = OPERATOR) -> KafkaAccess:
        """How to reach Kafka as a service, as the operator (`ops`), or on our own as the super-user (`admin`)."""
        return self._kafka_access[principal]

    def database_url(self, role: str = OPERATOR) -> str:
        """How to reach the database as a service (by import name) or as the operator (`ops`)."""
        return self._database_urls[role]

    async def start(self) -> None:
        """Start everything; returns when every service says that it is ready.

        Raises:
            Problem: what kept it from starting, in a sentence. Whatever had been started is stopped again.
        """
        self.data.prepare()
        self._lock.take()
        try:
            await self._clear_leftovers()
            options = self.options
            kafka, postgres = options.kafka is None, options.database_url is None
            wanted = wishes(options.services, host=options.host, kafka=kafka, postgres=postgres)
            self.ports = choose(wanted, options.ports, self.data.ports)
            if any(may_be_forked(service.command()) for service in options.services):
                preloaded().prepare()
            await _together(self._start_kafka(), self._start_database())
            self._supervisor.layer()
            if options.services:
                with step(self._reporter, "Services") as services:
                    await _together(*(self._start_service(service) for service in options.services))
                    services.outcome = f"{len(options.services)} ready"
            self._up = True
            self._write_state()
            if self.kafka and options.train and not self.kafka.fast:
                self._training = asyncio.create_task(self._train(), name="train")
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError):
                raise of_os_error(error, self.data.path) from error
            raise

    async def stop(self) -> None:
        """Stop everything, the services first. Safe to call twice."""
        self._up = False
        if self._training is not None:
            self._training.cancel()
            await asyncio.gather(self._training, return_exceptions=True)
            self._training = None
        await self._supervisor.stop()
        if self._lock.held:
            self.data.state.unlink(missing_ok=True)
            self._lock.release()
        self._reporter.close()

    async def _start_kafka(self) -> None:
        names = [service.name for service in self.options.services]
        if self.options.kafka is not None:
            access = self.options.kafka
            self._kafka_access = dict.fromkeys((*names, OPERATOR, ADMIN), access)
            with step(self._reporter, f"Topics in the cluster at {access.bootstrap}") as creating:
                creating.outcome = _count(await Cluster(access).create_topics(topics.ALL, ours=False))
            return
        self.kafka = kafka = Kafka(
            self.data.kafka,
            self.data.log("kafka"),
            cache=self.options.cache_dir,
            port=self.ports["kafka"],
            controller_port=self.ports["kafka-controller"],
            password=self.data.secret("kafka-admin"),
        )
        with step(self._reporter, "Kafka") as starting:
            await kafka.prepare(self._reporter)
            self._supervisor.own("kafka", kafka.process)
            await kafka.start()
            self._supervisor.keep("kafka")
            starting.outcome = f"ready on {kafka.address}"
        with step(self._reporter, "Topics, users and rights") as provisioning:
            passwords = {name: self.data.secret(f"kafka-{name}") for name in (*names, OPERATOR, ADMIN)}
            self._kafka_access = {name: KafkaAccess(kafka.address, name, passwords[name]) for name in passwords}
            cluster = Cluster(self._kafka_access[ADMIN], mechanism="PLAIN")
            created = await cluster.create_topics(topics.ALL, ours=True)
            await cluster.create_users(passwords)
            await cluster.grant(rules(topics.ALL, names))
            provisioning.outcome = _count(created)

    async def _start_database(self) -> None:
        modules = [service.module for service in self.options.services]
        if self.options.database_url is None:
            self.postgres = postgres = Postgres(
                self.data.postgres,
                self.data.log("postgres"),
                port=self.ports["postgres"],
                password=self.data.secret("postgres-admin"),
            )
            with step(self._reporter, "PostgreSQL") as starting:
                await postgres.prepare()
                self._supervisor.own("postgres", postgres.process)
                await postgres.start()
                self._supervisor.keep("postgres")
                starting.outcome = f"ready on {HOST}:{postgres.port}"
            await database.create_database(postgres.url(), DATABASE)
            url = postgres.url(DATABASE)
        else:
            url = self.options.database_url
        self._admin_database_url = url
        with step(self._reporter, "Roles and schemas") as provisioning:
            if self.postgres or await database.may_create_roles(url):
                passwords = {name: self.data.secret(f"database-{name}") for name in (*modules, OPERATOR)}
                await database.provision_roles(url, passwords, OPERATOR, alone=self.postgres is not None)
                self._database_urls = {name: database.with_user(url, name, passwords[name]) for name in passwords}
                provisioning.outcome = "one for each service"
            else:
                await database.provision_schemas(url, modules)
                self._database_urls = dict.fromkeys((*modules, OPERATOR), url)
                provisioning.outcome = "schemas only: this user may not create roles, so all services share its rights"
        if self.options.services:
            with step(self._reporter, "Migrations") as migrating:
                remarks = await database.schema_remarks(url, modules)
                done = await self._migrate(remarks)
                migrating.outcome = f"{done} schemas migrated" if done else "nothing to do"

    async def _migrate(self, remarks: Mapping[str, str]) -> int:
        """Migrate the schemas that are not remembered to have had these very migrations; how many there were."""
        found = [(service, service.migrations()) for service in self.options.services]
        due = {service.module: f"migrated {fingerprint}" for service, fingerprint in found if fingerprint}
        due = {module: remark for module, remark in due.items() if remarks.get(module) != remark}
        if due:  # Together: a process for each would load six services.
            urls = {f"{module.upper()}_DATABASE_URL": self._database_urls[module] for module in due}
            program = (sys.executable, "-m", "chassis.migrate_command", *due)
            await self._run_migration("The migration of the schemas", program, "migrations", _inherited() | urls)
        for module, remark in due.items():
            await database.remark_schema(self._database_urls[module], module, remark)
        others = [service for service, fingerprint in found if not fingerprint]
        for service in others:
            title, log = f"The migration of {service.name}", f"{service.name}-migrate"
            await self._run_migration(title, service.command("migrate"), log, self._environment(service))
        return len(due) + len(others)

    async def _run_migration(self, title: str, argv: tuple[str, ...], log: str, env: Mapping[str, str]) -> None:
        program = Program(title, argv, self.data.log(log), env=env)
        await run(program, "failed", await launch_of(program))

    async def _start_service(self, service: Service) -> None:
        program = Program(service.name, service.command(), self.data.log(service.name), env=self._environment(service))
        host = self._shown_host if service.name == PORTAL else HOST
        check = partial(service_ready, host, self.ports[service.name])
        await self._supervisor.start(service.name, Process(program, await launch_of(program)), check, _SERVICE_START_S)

    def _environment(self, service: Service) -> dict[str, str]:
        return {
            **_inherited(),
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": self._database_urls[service.module],
            **(self._kafka_access[service.name].environment() if service.name in self._kafka_access else {}),
            **environment(service, self.ports, self.options.host),
            # The next process of a service that was killed takes its place at once. Others may use this Kafka, too.
            "INSTANCE_ID": f"{service.name}-{self.data.secret('instance')[:8]}",
            **self.options.env,
            **self.options.service_env.get(service.name, {}),
        }

    async def _train(self) -> None:
        await asyncio.sleep(_TRAIN_AFTER_S)  # Let what was started have the processor first.
        try:
            await aot.train(self.options.cache_dir)
        except Problem as problem:
            self._reporter.note(f"Later starts will not be faster: {problem}")

    async def _clear_leftovers(self) -> None:
        """See off what an earlier supervisor left behind when it was killed."""
        state = StackState.read(self.data)
        if state is None:
            return
        ended = await asyncio.gather(*(end_leftover(each.identity, _LEFTOVER_S) for each in state.processes))
        if any(ended):
            self._reporter.note("The stack before this one was not stopped in order; what it left behind was ended")
        self.data.state.unlink(missing_ok=True)

    @property
    def _shown_host(self) -> str:
        return HOST if self.options.host in ("0.0.0.0", "::") else self.options.host

    def _url(self, service: str) -> str | None:
        host = self._shown_host if service == PORTAL else HOST
        return f"http://{host}:{self.ports[service]}" if service in self.ports else None

    def _write_state(self) -> None:
        """Written from the first process on: what a killed supervisor leaves behind must be found."""
        running = []
        for name, process in self._supervisor.processes.items():
            identity = Identity.of(process.pid) if process.pid else None
            if identity:
                service = name in {service.name for service in self.options.services}
                url = self._url(name) if service else None
                running.append(RunningProcess(name, identity.pid, identity.created, str(process.program.log), url))
        StackState(
            pid=os.getpid(),
            data_dir=str(self.data.path),
            portal_url=self.portal_url,
            bridge_url=self.bridge_url,
            kafka=self._kafka_access.get(OPERATOR, KafkaAccess("")),
            database_url=self._database_urls.get(OPERATOR, ""),
            kafka_embedded=self.options.kafka is None,
            postgres_embedded=self.options.database_url is None,
            up=self._up,
            ports=self.ports,
            processes=tuple(running),
        ).write(self.data)


async def run_stack(
    options: StackOptions, reporter: Reporter, when_up: Callable[[Stack], Awaitable[None]] | None = None
) -> None:
    """Run a stack until Ctrl-C, SIGTERM or SIGHUP, then stop it. Call it from the main thread.

    Args:
        options: what to start.
        reporter: told what happens.
        when_up: runs beside the stack once it is up; its failure stops the stack and is raised.

    Raises:
        Problem: it could not be started.
    """
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, asked.set)
    stack = Stack(options, reporter)
    asking = asyncio.create_task(asked.wait())

    async def work() -> None:
        await stack.start()
        if when_up is not None:
            await when_up(stack)
        await asked.wait()

    working = asyncio.create_task(work())
    try:
        await asyncio.wait({asking, working}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, asking):
            task.cancel()
        await asyncio.gather(working, asking, return_exceptions=True)
        await stack.stop()
        for number in signals:
            loop.remove_signal_handler(number)


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _OURS}


async def _together(*parts: Coroutine[Any, Any, _T]) -> list[_T]:
    """Do these at the same time; the first failure ends the others and is raised once they have ended."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            if not task.cancelling():  # a second one would interrupt what it does to end its own child process
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _count(created: list[str]) -> str:
    return f"{len(created)} topics created" if created else "topics were there"
