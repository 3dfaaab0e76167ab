"""The contracts as another git revision has them."""

import subprocess
from pathlib import Path

USUAL = ("origin/main", "main", "HEAD")
"""What to compare with when nobody says: the first of these that exists."""


class NothingToCompareError(Exception):
    """There is no earlier contract; the words say why."""


class GitError(Exception):
    """Git could not answer, or the named revision does not exist; the words say why."""


def usual(root: Path) -> str:
    """The revision to compare with. Raises NothingToCompareError where nothing was ever committed."""
    for revision in USUAL:
        if exists(root, revision):
            return revision
    raise NothingToCompareError(f"there is no {', '.join(USUAL[:-1])} or commit here")


def exists(root: Path, revision: str) -> bool:
    """Whether git knows the revision. Raises NothingToCompareError outside a repository."""
    done = _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if done.returncode not in (0, 1):
        words = done.stderr.decode(errors="replace").strip()
        if "not a git repository" in words:
            raise NothingToCompareError(f"{root} is not in a git repository")
        raise GitError(words)
    return done.returncode == 0


def files_at(root: Path, revision: str) -> dict[str, bytes]:
    """Every file below `root` at the revision, by its path from there. Raises GitError for an unknown revision."""
    if not exists(root, revision):
        raise GitError(f"there is no revision {revision!r}; name one that `git rev-parse {revision}` knows")
    listed = _must(root, "ls-tree", "-r", "-z", revision)
    entries = [entry.partition("\t") for entry in listed.decode().split("\0") if entry]
    blobs = {path: meta.split()[2] for meta, _, path in entries if meta.split()[1] == "blob"}
    asked = "".join(f"{blob}\n" for blob in blobs.values()).encode()
    answered = _must(root, "cat-file", "--batch", stdin=asked)
    files: dict[str, bytes] = {}
    at = 0
    for path in blobs:
        header_end = answered.index(b"\n", at)
        size = int(answered[at:header_end].split()[2])
        files[path] = answered[header_end + 1 : header_end + 1 + size]
        at = header_end + 1 + size + 1
    return files


def _must(root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    done = _git(root, *arguments, stdin=stdin)
    if done.returncode != 0:
        raise GitError(done.stderr.decode(errors="replace").strip())
    return done.stdout


def _git(root: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", "-C", str(root), *arguments], input=stdin, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise NothingToCompareError("git is not installed") from error
