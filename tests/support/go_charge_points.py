"""The example charge points of a public Go module, built once into the user's cache, where Go is installed."""

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

MODULE, VERSION = "github.com/lorenzodonini/ocpp-go", "v0.19.0"
EXAMPLES = {"ocpp1.6": "example/1.6/cp", "ocpp2.0.1": "example/2.0.1/chargingstation"}
USUAL_PLACE = "/usr/local/go/bin/go"
BUILD_WITHIN_S = 600
CHEAP = ("-gcflags=all=-N -l", "-ldflags=-s -w")
"""These programs run for seconds: what would make them quicker costs more at their building than it saves."""


def go() -> str | None:
    """The go command, or None where there is none."""
    return shutil.which("go") or shutil.which(USUAL_PLACE)


@cache
def charge_points() -> dict[str, Path]:
    """The programs, by the subprotocol that they speak. Raises RuntimeError with what the go command said."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "comeback" / f"ocpp-go-{VERSION}"
    programs = {protocol: folder / example.rpartition("/")[2] for protocol, example in EXAMPLES.items()}
    if not all(program.exists() for program in programs.values()):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as workplace:
            packages = [f"{MODULE}/{example}" for example in EXAMPLES.values()]
            _run(workplace, "mod", "init", "example.test/charge-points")
            _run(workplace, "get", *(f"{package}@{VERSION}" for package in packages))
            _run(workplace, "build", *CHEAP, "-o", f"{workplace}/", *packages)
            for program in programs.values():
                Path(workplace, program.name).replace(program)
    return programs


def _run(folder: str, *arguments: str) -> None:
    command = go()
    if command is None:
        raise RuntimeError("the go command is not installed")
    told = subprocess.run(
        [command, *arguments],
        cwd=folder,
        env=os.environ | {"CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=BUILD_WITHIN_S,
        check=False,
    )
    if told.returncode:
        raise RuntimeError(f"`go {' '.join(arguments)}` failed: {told.stderr.strip()}")
