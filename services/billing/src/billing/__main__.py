"""`python -m billing`: runs billing, or with a word after it, prepares its database or replays a projection."""

from chassis.garbage import collect_rarely

if __name__ == "__main__":
    collect_rarely()  # before the imports, which make much and leave no garbage

    from billing.app import build
    from billing.projections import PROJECTIONS
    from chassis.app import main

    main("billing", build, projections=PROJECTIONS)
