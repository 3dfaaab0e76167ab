"""The generated files, as they should be, and whether the committed ones are so."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from contracts.asyncapi import document
from contracts.schemas import facts_of, schema_of
from contracts.topics import Topic

TOPICS = "topics.json"
ASYNCAPI = "asyncapi.json"
SCHEMAS = "schemas"


def schema_path(topic: str, wire_type: str) -> str:
    """Where the schema of a message is, below the contracts folder."""
    return f"{SCHEMAS}/{topic}/{wire_type}.json"


def generate(topics: Iterable[Topic]) -> dict[str, str]:
    """The text of every generated file, by its path below the contracts folder."""
    topics = tuple(topics)
    files = {
        schema_path(topic.name, model.wire_type): _text(schema_of(model))
        for topic in topics
        for model in topic.messages
    }
    files[TOPICS] = _text({topic.name: facts_of(topic) for topic in topics})
    files[ASYNCAPI] = _text(document(topics))
    return files


def write(root: Path, files: Mapping[str, str]) -> list[str]:
    """Makes the folder hold exactly these generated files; the paths it wrote or removed."""
    touched = sorted(path for path, _ in differences(root, files))
    for path in touched:
        if path in files:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(files[path], encoding="utf-8")
        else:
            (root / path).unlink()
    return touched


def differences(root: Path, files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each path whose content is not the generated one, with what is the matter."""
    for path, text in files.items():
        if not (root / path).is_file():
            yield path, "is missing"
        elif (root / path).read_text(encoding="utf-8") != text:
            yield path, "is not what the models say"
    for found in sorted((root / SCHEMAS).rglob("*.json")):
        path = found.relative_to(root).as_posix()
        if path not in files:
            yield path, "belongs to no message"


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
