// The entry: times, the stream with its banner and its pause, and what the page at hand does with it.

import "./charger-restart.js";
import * as attempt from "./attempt.js";
import * as charger from "./charger.js";
import * as chargers from "./chargers.js";
import { now, setServerTime } from "./clock.js";
import * as embed from "./embed.js";
import * as group from "./group.js";
import { Live, pause, resume } from "./live.js";
import { Renderer } from "./render.js";
import * as restarts from "./restarts.js";
import { wordsFor } from "./words.js";

const PAGES = { attempt, charger, chargers, embed, group, groups: group, restarts };
const AGO_MS = 10000;
const BACK_MS = 3000;

const banner = document.getElementById("banner");
const words = await wordsFor(document.documentElement.lang);
words.showTimes(document);
setInterval(() => words.showTimes(document, 'time[data-show="ago"]'), AGO_MS);

const cursor = document.body.dataset.cursor;
if (cursor !== undefined) {
  const live = new Live({ base: location.origin, cursor, user: document.body.dataset.user });
  live.addEventListener("hello", ({ detail }) => {
    setServerTime(detail.server_time);
    // Another build of the portal: what this page holds may not fit it any more.
    if (detail.build !== document.body.dataset.build) location.reload();
  });
  let before = live.state;
  let bannerTimer = 0;
  const show = () => {
    const state = live.state;
    document.body.dataset.live = state;
    const shown = document.querySelector(".live-state");
    shown.dataset.live = state;
    shown.querySelector(".live-word").replaceChildren(words.say(`live.${state}`));
    clearTimeout(bannerTimer);
    if (state === "stale") showBanner("warn", live.offline ? words.say("sys.offline") : words.say("sys.stale", { at: live.heardAt }));
    else if (state === "paused") showBanner("warn", words.say("sys.paused", { at: live.heardAt }));
    else if (state === "ended") showBanner("warn", words.say("sys.session"), " ", signIn());
    else if (state === "live" && (before === "stale" || before === "paused")) {
      showBanner("ok", words.say("sys.back"));
      bannerTimer = setTimeout(() => { banner.hidden = true; }, BACK_MS);
    } else if (state === "live") banner.hidden = true;
    if (state !== "connecting") before = state;
  };
  live.addEventListener("state", show);
  show();
  pausing(live);
  updated(live);
  PAGES[document.body.dataset.page]?.start(live, new Renderer(words));
}

function signIn() {
  const link = document.createElement("a");
  link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.append(words.say("sys.sign_in"));
  return link;
}

function showBanner(tone, ...content) {
  banner.dataset.tone = tone;
  banner.replaceChildren(...content);
  banner.hidden = false;
}

function pausing(live) {
  const button = document.querySelector(".live-pause");
  button.hidden = false;
  button.addEventListener("click", () => {
    if (live.state === "paused") resume(); else pause();
    button.replaceChildren(words.say(live.state === "paused" ? "page.resume" : "page.pause"));
  });
}

/** When the page last heard of anything, beats included. */
function updated(live) {
  const place = document.querySelector(".live-updated");
  const show = () => place.replaceChildren(words.say("page.updated", { at: new Date(now()).toISOString() }));
  for (const name of ["hello", "beat", "charger", "attempt", "verdict"]) live.addEventListener(name, show);
  show();
}
