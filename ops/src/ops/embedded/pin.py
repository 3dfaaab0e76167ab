"""Maintainer's tool: `python -m ops.embedded.pin` resolves Kafka's jars anew and writes their pins."""

import json
import tempfile
from pathlib import Path

from ops.embedded.jars import KAFKA, PINS

# The `!` keeps log4j's bill of materials from deciding Kafka's own versions: without it, kafka-clients is an older one.
ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA}+org.apache.logging.log4j:log4j-slf4j-impl:2.24.3!"


def main() -> None:
    """Resolve, check that Kafka is the version asked for, and write the pins beside this file."""
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        context = MavenContext(repo_cache=root / "m2")
        builder = EnvironmentBuilder(context=context, cache_dir=root, link_strategy=LinkStrategy.HARD)
        lock = builder.from_endpoint(ENDPOINT).lockfile
        resolved = lock.dependencies if lock else []
        pins = {}
        for jar in sorted(resolved, key=lambda each: (each.groupId, each.artifactId)):
            file = context.project(jar.groupId, jar.artifactId).at_version(jar.version).artifact().resolve()
            pins[f"{jar.groupId}:{jar.artifactId}:{jar.version}"] = {"sha256": jar.sha256, "size": file.stat().st_size}
    if f"org.apache.kafka:kafka-clients:{KAFKA}" not in pins or not all(pin["sha256"] for pin in pins.values()):
        raise SystemExit(f"What was resolved is not a complete Kafka {KAFKA}; nothing was written.")
    target = Path(__file__).with_name(PINS)
    target.write_text(json.dumps(pins, indent=2) + "\n")
    print(f"{len(pins)} jars pinned in {target.name}")


if __name__ == "__main__":
    main()
