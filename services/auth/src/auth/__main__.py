"""`python -m auth`: runs auth, or with a word after it, prepares its database or rotates its signing key."""

import sys

from chassis.garbage import collect_rarely

if __name__ == "__main__":
    collect_rarely()  # before the imports, which make much and leave no garbage

    from auth import rotate_command
    from auth.app import build
    from chassis.app import main

    if sys.argv[1:] == ["rotate-signing-key"]:
        rotate_command.run()
    else:
        main("auth", build)
