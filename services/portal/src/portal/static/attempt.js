// The black box of one restart: follows it while it is under way.

import { read, Story } from "./story.js";

export function start(live) {
  const section = document.getElementById("attempt");
  const story = new Story(section);
  const mine = ({ detail }) => { if (detail.attempt_id === story.id) story.show(detail); };
  live.addEventListener("attempt", mine);
  live.addEventListener("verdict", mine);
  live.addEventListener("reset", async () => story.show(await read(`/api/v1/restarts/${story.id}`)));
}
