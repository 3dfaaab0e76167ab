"""The page's own files, and the name of this build of them."""

import hashlib
from importlib.resources import files
from pathlib import Path

STATIC = Path(str(files("portal").joinpath("static")))
TEMPLATES = Path(str(files("portal").joinpath("templates")))
WORDS = Path(str(files("portal").joinpath("words")))


def _build() -> str:
    digest = hashlib.sha256()
    for path in sorted(
        path
        for folder in (STATIC, TEMPLATES, WORDS)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    ):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


BUILD = _build()
"""Changes with any file of the page: an open page can tell that it is out of date."""
