// A charger's page around its <charger-restart>, which reads the charger and tells what it read.

import { make, put } from "./dom.js";
import { follow } from "./security.js";

/** @param {import("./live.js").Live} live @param {import("./render.js").Renderer} draw */
export function start(live, draw) {
  const root = document.getElementById("charger");
  root.querySelector("charger-restart").addEventListener("restart-charger", ({ detail: { charger } }) => {
    put(root, "state", draw.state(charger));
    put(root, "since", draw.since(charger));
    put(root, "connectors", ...draw.connectors(charger));
    put(root, "transactions", ...draw.transactions(charger));
    if (charger.online_since) put(root, "online-since", draw.words.time(charger.online_since, "datetime"));
    if (charger.booted_at) put(root, "last-boot", draw.words.time(charger.booted_at, "datetime"), charger.boot_reason ? ` · ${charger.boot_reason}` : "");
  });
  follow(root, live, draw);
  for (const name of ["attempt", "verdict"]) live.addEventListener(name, ({ detail }) => { if (detail.charger_id === root.dataset.charger) history(root, draw, detail); });
  live.addEventListener("charger", ({ detail }) => {
    if (detail.charger_id !== root.dataset.charger) return;
    put(root, "state", draw.state(detail));
    put(root, "since", draw.since(detail));
  });
}

/** The restart under way stands first in the list of the last ones. */
function history(root, draw, attempt) {
  const list = root.querySelector(".history");
  let line = list.querySelector(`[data-attempt="${attempt.attempt_id}"]`);
  if (!line) {
    line = make("li", { "data-attempt": attempt.attempt_id },
      make("a", { href: `/restarts/${attempt.attempt_id}` }, draw.words.time(attempt.requested_at, "datetime")),
      make("span", { "data-part": "result" }), make("span", { class: "muted" }, make("bdi", {}, attempt.requested_by.name ?? attempt.requested_by.user_id)));
    list.querySelector("li.muted")?.remove();
    list.prepend(line);
  }
  put(line, "result", draw.result(attempt));
}
