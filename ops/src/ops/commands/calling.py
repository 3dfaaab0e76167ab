"""`comeback call`: make one OCPP call to a charger and print its answer."""

import json
from typing import Annotated, Any

import typer

from ops.commands.common import DataDir, say, with_operator
from ops.embedded.problems import Problem

BEGUN_WITHIN_S = 15.0
"""The portal waits so long for the charger's turn and for the result to come through, beside the charger's own time."""


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("call")(call)


def call(
    charger: Annotated[str, typer.Argument(help="The charger's id.")],
    action: Annotated[str, typer.Argument(help="The OCPP request, for instance GetVariables or TriggerMessage.")],
    payload: Annotated[str, typer.Argument(help="Its fields as a JSON object; `{}` when not given.")] = "{}",
    timeout: Annotated[float, typer.Option(help="Seconds that the charger may take to answer.", min=0.1, max=120)] = 10,
    data_dir: DataDir = None,
) -> None:
    """Makes one OCPP call, in the charger's own version, and prints its answer as JSON.

    Allowed is what reads, and what can be taken back. OCPP 1.6: ChangeAvailability, ChangeConfiguration, ClearCache,
    ExtendedTriggerMessage, GetCompositeSchedule, GetConfiguration, GetInstalledCertificateIds, GetLocalListVersion,
    TriggerMessage. OCPP 2.x: ChangeAvailability, ClearCache, GetBaseReport, GetChargingProfiles, GetCompositeSchedule,
    GetDisplayMessages, GetInstalledCertificateIds, GetLocalListVersion, GetMonitoringReport, GetReport,
    GetTransactionStatus, GetVariables, SetVariables, TriggerMessage. A Reset is `comeback restart`.

    Examples:
    - `comeback call CP-1 TriggerMessage '{"requestedMessage": "Heartbeat"}'`

    - `comeback call CP-1 GetConfiguration '{"key": ["HeartbeatInterval"]}'`

    - `comeback call CP-2 GetVariables '{"getVariableData": [{"component": {"name": "OCPPCommCtrlr"},
      "variable": {"name": "HeartbeatInterval"}}]}'`
    """
    body = {"action": action, "payload": fields(payload), "timeout_s": timeout}
    with with_operator(data_dir) as portal:
        answer = portal.post(f"/api/v1/chargers/{charger}/ocpp-calls", body, within_s=timeout + BEGUN_WITHIN_S)
    say(json.dumps(answer["payload"], indent=2, ensure_ascii=False))


def fields(text: str) -> dict[str, Any]:
    """A payload from the command line. Raises Problem when it is no JSON object."""
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise Problem(f"The payload is not JSON: {error}", todo="Put it in single quotes: '{\"key\": []}'") from error
    if not isinstance(payload, dict):
        raise Problem("The payload is not a JSON object", todo="Write {…}, or nothing for an empty one")
    return payload
