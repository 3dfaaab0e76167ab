"""The bridge's command line: `python -m ocpp_bridge [migrate | check-migrations]`."""

from chassis.app import main
from ocpp_bridge.app import build
from ocpp_bridge.capacity import collect_rarely

if __name__ == "__main__":
    collect_rarely()
    main("ocpp_bridge", build)
