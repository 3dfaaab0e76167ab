"""`python -m auth`: runs auth, or with a word after it, prepares its database or rotates its signing key."""

import sys

from auth import rotate_command
from auth.app import build
from chassis.app import main

if __name__ == "__main__":
    if sys.argv[1:] == ["rotate-signing-key"]:
        rotate_command.run()
    else:
        main("auth", build)
