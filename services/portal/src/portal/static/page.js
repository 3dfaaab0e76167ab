// The entry: times, the stream and its banner, and what the page at hand does with both.

import * as attempt from "./attempt.js";
import * as charger from "./charger.js";
import * as chargers from "./chargers.js";
import { Live } from "./live.js";
import { elapsedSince } from "./render.js";
import { say, sayText, setServerTime, showTimes } from "./words.js";

const banner = document.getElementById("banner");
const liveState = document.querySelector(".live-state");
let bannerTimer = 0;

showTimes();
tick();
setInterval(tick, 1000);

const cursor = document.body.dataset.cursor;
if (cursor !== undefined) {
  const live = new Live(cursor);
  live.addEventListener("hello", ({ detail }) => {
    setServerTime(detail.server_time);
    // Another build of the portal: what this page holds may not fit it any more.
    if (detail.build !== document.body.dataset.build) location.reload();
  });
  live.addEventListener("beat", ({ detail }) => setServerTime(detail.server_time));
  live.addEventListener("state", ({ detail }) => showLive(live, detail));
  showLive(live, { state: live.state });
  ({ attempt, charger, chargers })[document.body.dataset.page]?.start(live);
}

function showLive(live, { state, before }) {
  document.body.dataset.live = state;
  if (liveState) {
    liveState.dataset.live = state;
    liveState.querySelector(".live-word").replaceChildren(say(`live.${state}`));
  }
  clearTimeout(bannerTimer);
  if (state === "stale") showBanner("warn", navigator.onLine ? say("sys.stale", { at: live.heardAt }) : say("sys.offline"));
  else if (state === "ended") {
    const link = document.createElement("a");
    link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = sayText("sys.sign_in");
    showBanner("warn", say("sys.session"), " ", link);
  } else if (before === "stale") {
    showBanner("ok", say("sys.back"));
    bannerTimer = setTimeout(() => { banner.hidden = true; }, 3000);
  } else banner.hidden = true;
}

function showBanner(tone, ...content) {
  banner.dataset.tone = tone;
  banner.replaceChildren(...content);
  banner.hidden = false;
}

/** Times that run. They stand in no live region: nobody wants them read out. */
function tick() {
  for (const element of document.querySelectorAll(".wait-elapsed[data-since]")) {
    element.replaceChildren(elapsedSince(element.dataset.since), ".");
  }
  for (const element of document.querySelectorAll('time[data-show="ago"]')) showTimes(element.parentElement);
}
