"""The bridge's command line: `python -m ocpp_bridge [migrate | check-migrations]`."""

from chassis.garbage import collect_rarely

if __name__ == "__main__":
    collect_rarely()  # before the imports, which make much and leave no garbage

    from chassis.app import main
    from ocpp_bridge.app import build

    main("ocpp_bridge", build)
