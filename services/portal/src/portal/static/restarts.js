// The history: rows change in place; restarts that are new are offered, not pushed in.

import { offer } from "./chargers.js";
import { put } from "./dom.js";

/** @param {import("./live.js").Live} live @param {import("./render.js").Renderer} draw */
export function start(live, draw) {
  const rows = new Map([...document.querySelectorAll("tr[data-attempt]")].map((row) => [row.dataset.attempt, row]));
  const fresh = new Set();
  const moved = ({ detail: attempt }) => {
    const row = rows.get(attempt.attempt_id);
    if (!row) {
      fresh.add(attempt.attempt_id);
      if (document.querySelector(".changes")) offer(draw, fresh.size);
      return;
    }
    if (Number(row.dataset.v) >= attempt.v) return;
    row.dataset.v = attempt.v;
    put(row, "result", draw.result(attempt));
  };
  live.addEventListener("attempt", moved);
  live.addEventListener("verdict", moved);
}
