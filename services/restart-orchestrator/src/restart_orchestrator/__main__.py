"""`python -m restart_orchestrator`: runs it, or with a word after it, prepares its database or replays a projection."""

from chassis.garbage import collect_rarely

if __name__ == "__main__":
    collect_rarely()  # before the imports, which make much and leave no garbage

    from chassis.app import main
    from restart_orchestrator.app import build
    from restart_orchestrator.projections import PROJECTIONS

    main("restart_orchestrator", build, projections=PROJECTIONS)
