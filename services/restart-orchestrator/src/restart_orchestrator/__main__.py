"""`python -m restart_orchestrator`: runs it, or with a word after it, prepares its database or replays a projection."""

from chassis.app import main
from restart_orchestrator.app import build
from restart_orchestrator.projections import PROJECTIONS

if __name__ == "__main__":
    main("restart_orchestrator", build, projections=PROJECTIONS)
