"""How tests are dealt out to processes that run side by side: a file to one, and what shares a running system to one."""

from xdist.scheduler import LoadFileScheduling

CRASHES = "tests/journey/test_crashes.py"
"""As long as all other journeys together: they have a running system of their own."""
JOURNEYS = "tests/journey/"


class ByRunningSystem(LoadFileScheduling):
    """To start a running system takes half a minute of processor time, and each process would start its own."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return JOURNEYS if file.startswith(JOURNEYS) and file != CRASHES else file
