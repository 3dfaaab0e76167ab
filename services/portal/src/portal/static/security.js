// The list of those who were not let in, on the page of a charger: templates/_security.html, when it changes.

import { make } from "./dom.js";
import { PortalApi } from "./portal-api.js";

/** The stream says that something of the charger has changed, not what: it is asked for no more often than this. */
const EVERY_MS = 2000;

/** @param {Element} root @param {import("./live.js").Live} live @param {import("./render.js").Renderer} draw */
export function follow(root, live, draw) {
  const list = root.querySelector(".security");
  if (!list) return;
  const api = new PortalApi(location.origin, undefined, draw.words.language);
  const path = `/api/v1/chargers/${encodeURIComponent(root.dataset.charger)}/security-events`;
  let [resting, again] = [false, false];
  const refresh = async () => {
    again = resting;
    if (resting) return;
    resting = true;
    setTimeout(() => { resting = false; if (again) refresh(); }, EVERY_MS);
    const shown = await api.read(path).catch(() => null);
    if (shown) list.replaceChildren(...lines(shown.items, draw));
  };
  live.addEventListener("charger", ({ detail }) => { if (detail.charger_id === root.dataset.charger) refresh(); });
  live.addEventListener("reset", refresh);
}

function lines(items, draw) {
  if (!items.length) return [make("li", { class: "muted" }, draw.say("security.none"))];
  return items.map((each) => make("li", { "data-why": each.why },
    draw.words.time(each.last_at, "datetime"), make("span", {}, draw.say(each.says.code, each.says.params))));
}
