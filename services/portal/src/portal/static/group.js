// A group's page and the list of groups: written anew by the server when the group changed, unless something is being
// typed or chosen.

/** @param {import("./live.js").Live} live */
export function start(live) {
  let touched = false;
  addEventListener("input", () => { touched = true; });
  live.addEventListener("reset", () => { if (!touched) location.replace(location.pathname); });
}
