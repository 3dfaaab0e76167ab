// The list of chargers: rows change in place and never move under the pointer.

import { put } from "./dom.js";
import { PortalApi } from "./portal-api.js";

const SINCE = ["offline", "lost"];

/** @param {import("./live.js").Live} live @param {import("./render.js").Renderer} draw */
export function start(live, draw) {
  const table = document.querySelector("table.chargers");
  const rows = new Map([...document.querySelectorAll("tr[data-charger]")].map((row) => [row.dataset.charger, row]));
  const changed = new Set();
  const show = (charger) => {
    const row = rows.get(charger.charger_id);
    if (!row || Number(row.dataset.v) >= charger.v) return;
    row.dataset.v = charger.v;
    put(row, "state", draw.state(charger));
    put(row, "since", ...(SINCE.includes(charger.state) ? [draw.since(charger)] : []));
    put(row, "restart", ...draw.lastRestart(charger));
  };
  live.addEventListener("charger", ({ detail }) => {
    const row = rows.get(detail.charger_id);
    // Where order or filter are by state, what is shown may no longer be what was asked for.
    if (table && "moves" in table.dataset && row && row.dataset.state !== detail.state) {
      changed.add(detail.charger_id);
      offer(draw, changed.size);
    }
    show(detail);
  });
  live.addEventListener("reset", async () => {
    const api = new PortalApi(location.origin, undefined, draw.words.language);
    try { for (const charger of await readAll(api, [...rows.keys()])) show(charger); } catch { /* the banner says so */ }
  });
}

/** Only the rows at hand, a few at a time. */
async function readAll(api, ids) {
  const found = [];
  while (ids.length) found.push(...await Promise.all(ids.splice(0, 10).map((id) => api.read(`/api/v1/chargers/${encodeURIComponent(id)}`).catch(() => null))));
  return found.filter(Boolean);
}

/** Says how many rows are not where they belong any more; to bring them there is the reader's to decide. */
export function offer(draw, count) {
  const link = document.querySelector(".changes");
  link.href = location.href;
  link.replaceChildren(draw.say("page.changes", { n: count }));
  link.hidden = false;
}
