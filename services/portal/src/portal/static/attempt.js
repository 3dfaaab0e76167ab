// The black box of one restart: follows it while it is under way.

import { part, put } from "./dom.js";
import { PortalApi } from "./portal-api.js";
import { Story } from "./story.js";

/** @param {import("./live.js").Live} live @param {import("./render.js").Renderer} draw */
export function start(live, draw) {
  const section = document.getElementById("attempt");
  const given = JSON.parse(document.getElementById("attempt-data").textContent);
  const story = new Story(draw, { open: true });
  const show = (attempt) => {
    if (attempt.attempt_id !== given.attempt_id || story.show(attempt) === null) return;
    for (const form of part(section, "cancel")) form.hidden = !attempt.cancellable;
    put(section, "compared", draw.compared(attempt));
  };
  show(given);
  story.quiet = false;
  part(section, "story")[0].replaceWith(story.element);
  const moved = ({ detail }) => show(detail);
  live.addEventListener("attempt", moved);
  live.addEventListener("verdict", moved);
  const api = new PortalApi(location.origin, undefined, draw.words.language);
  live.addEventListener("reset", async () => {
    try { show(await api.read(`/api/v1/restarts/${given.attempt_id}`)); } catch { /* the banner says so */ }
  });
}
