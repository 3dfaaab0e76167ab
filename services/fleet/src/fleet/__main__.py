"""`python -m fleet`: runs fleet, or with a word after it, prepares its database or replays a projection."""

from chassis.garbage import collect_rarely

if __name__ == "__main__":
    collect_rarely()  # before the imports, which make much and leave no garbage

    from chassis.app import main
    from fleet.app import build
    from fleet.projections import PROJECTIONS

    main("fleet", build, projections=PROJECTIONS)
