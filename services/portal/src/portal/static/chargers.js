// The list of chargers: rows change in place and never move under the pointer.

import { lastRestartOf, put, stateOf } from "./render.js";
import { read } from "./story.js";

export function start(live) {
  const rows = new Map([...document.querySelectorAll("tr[data-charger]")].map((row) => [row.dataset.charger, row]));
  const show = (charger) => {
    const row = rows.get(charger.charger_id);
    if (!row || Number(row.dataset.v) >= charger.v) return;
    row.dataset.v = charger.v;
    put(row, "state", stateOf(charger));
    put(row, "restart", ...lastRestartOf(charger));
  };
  live.addEventListener("charger", ({ detail }) => show(detail));
  live.addEventListener("reset", async () => {
    const found = await read(`/api/v1/chargers${location.search}`);
    const same = found.chargers.length === rows.size && found.chargers.every((charger) => rows.has(charger.charger_id));
    if (same) found.chargers.forEach(show);
    else location.reload();
  });
}
