"""The cache that halves the broker's start: made once, in the background, from a throw-away broker."""

import asyncio
import shutil
import tempfile
import threading
from pathlib import Path

from ops.embedded import jars
from ops.embedded.java import Java
from ops.embedded.lock import try_lock
from ops.embedded.places import make_folder, require_room
from ops.embedded.ports import next_free
from ops.embedded.processes import Process, Program, run
from ops.embedded.progress import Reporter

_ROOM = 256 * 1024 * 1024
_NICENESS = 15
_FIRST_PORT = 26_000


async def java(cache: Path, reporter: Reporter) -> Java:
    """Java with verified jars; downloads what is missing.

    Raises:
        Problem: see `jars.provide`.
    """
    given_up = threading.Event()
    try:
        return Java(await asyncio.to_thread(jars.provide, cache / "jars", reporter, given_up=given_up), cache)
    finally:
        given_up.set()


async def train(cache: Path) -> bool:
    """Make the AOT cache in a cache folder, unless it is there or someone else is at it. Takes about 9 s of one core.

    A broker with the same flags, jars and kind of settings is started on a throw-away folder and stopped; what it
    loaded goes into the cache. A separate broker, because recording makes a broker's own stop take seconds.

    Returns:
        Whether there is a cache now.

    Raises:
        Problem: the broker did not start, or the disk is full.
    """
    from ops.embedded.kafka import MAIN_CLASS, PROPERTIES, Kafka

    ready = await java(cache, Reporter())
    if ready.aot_cache.exists():
        return True
    lock = try_lock(cache / "aot.lock")
    if lock is None:
        return False
    with lock:
        require_room(cache, _ROOM)
        folder = make_folder(Path(tempfile.mkdtemp(prefix=".train-", dir=cache)))
        process: Process | None = None
        try:
            port = next_free(_FIRST_PORT, set())
            log = folder / "training.log"
            broker = Kafka(
                folder / "kafka",
                log,
                cache=cache,
                port=port,
                controller_port=next_free(port + 1, {port}),
                password="training",  # noqa: S106
            )
            await broker.prepare(Reporter())
            recorded = folder / "recorded"
            argv = ready.recording(recorded, MAIN_CLASS, PROPERTIES)
            process = Process(Program("Kafka", argv, log, cwd=folder / "kafka", niceness=_NICENESS))
            process.start()
            await process.ready(broker.check, 60)
            await process.stop()
            made = folder / "made"
            creating = Program("Kafka", ready.creating(recorded, made), log, cwd=folder / "kafka", niceness=_NICENESS)
            await run(creating, "could not make its start-up cache")
            ready.adopt(made)
        finally:
            if process is not None and process.running:
                await process.kill()
            shutil.rmtree(folder, ignore_errors=True)
    return True
