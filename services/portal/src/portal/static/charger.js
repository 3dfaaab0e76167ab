// A charger's page: its state, its restart icon with every reason, the dialog, and the restart as it happens.

import { connectorsOf, icon, part, put, reasonsOf, restartKind, sinceOf, stateOf, transactionsOf } from "./render.js";
import { RestartDialog } from "./dialog.js";
import { read, Story } from "./story.js";
import { say, sayText, time } from "./words.js";

export function start(live) { new ChargerPage(live); }

class ChargerPage {
  #root = document.getElementById("charger");
  #section = document.getElementById("attempt");
  #restart = document.querySelector(".restart");
  #button = document.querySelector(".restart-icon");
  #story = new Story(this.#section);
  #live;
  #charger = null;
  #dialog;
  #again = false;
  #reading = null;

  constructor(live) {
    this.#live = live;
    this.#dialog = new RestartDialog({ chargerId: this.#root.dataset.charger, onAccepted: (attempt) => this.#accepted(attempt) });
    this.#button.closest("form").addEventListener("submit", (event) => { event.preventDefault(); this.#ask(); });
    this.#button.addEventListener("click", (event) => {
      if (this.#button.getAttribute("aria-disabled") !== "true") return;
      event.preventDefault();
      if (this.#button.dataset.kind === "unknown") this.#refresh();
    });
    part(this.#root, "options")[0].addEventListener("submit", (event) => { event.preventDefault(); this.#ask(event.submitter); });
    addEventListener("keydown", (event) => { if (event.key === "Escape") this.#restart.classList.add("hush"); });
    for (const name of ["pointerenter", "focus"]) this.#button.addEventListener(name, () => this.#restart.classList.remove("hush"));

    live.addEventListener("charger", ({ detail }) => this.#changed(detail));
    const moved = ({ detail }) => this.#moved(detail);
    live.addEventListener("attempt", moved);
    live.addEventListener("verdict", moved);
    live.addEventListener("reset", () => this.#refresh());
    live.addEventListener("state", () => this.#drawIcon());
    this.#drawWhole(JSON.parse(document.getElementById("charger-data").textContent));
  }

  get #path() { return `/api/v1/chargers/${encodeURIComponent(this.#root.dataset.charger)}`; }

  /** Reads the whole charger again; calls while one is under way are one more reading after it. */
  #refresh() {
    if (this.#reading) { this.#again = true; return this.#reading; }
    this.#reading = (async () => {
      try {
        do { this.#again = false; this.#drawWhole(await read(this.#path)); } while (this.#again);
      } catch (error) {
        if (String(error.message).endsWith("404")) location.reload();
      } finally { this.#reading = null; }
    })();
    return this.#reading;
  }

  #changed(line) {
    if (line.charger_id !== this.#root.dataset.charger || Number(this.#root.dataset.v) >= line.v) return;
    this.#root.dataset.v = line.v;
    this.#drawLine(line);
    this.#refresh();
  }

  #moved(attempt) {
    if (attempt.charger_id !== this.#root.dataset.charger || attempt.existing_attempt_id) return;
    const shown = this.#section.dataset.attempt;
    const newer = !shown || attempt.attempt_id === shown || !this.#story.attempt || attempt.requested_at >= this.#story.attempt.requested_at;
    if (newer) this.#showStory(attempt);
  }

  #showStory(attempt) {
    if (!this.#story.show(attempt)) return;
    document.getElementById("attempt-title").replaceChildren(say(attempt.ended ? "page.last_verdict" : "page.open_attempt"));
  }

  #accepted(attempt) {
    this.#showStory(attempt);
    for (const element of part(this.#section, "already")) element.hidden = !attempt.already_restarting;
    // Grey at once: the stream will say the same in a moment.
    if (this.#charger && !attempt.ended) {
      this.#drawLine({ ...this.#charger, state: "restarting", since: attempt.requested_at, restart: { ...this.#charger.restart, available: false, possible: [], attempt_id: attempt.attempt_id } });
    }
    document.getElementById("attempt-title").focus();
  }

  #ask(opener = this.#button) {
    if (this.#live.state === "stale") { this.#refresh(); return; }
    if (this.#charger) this.#dialog.open(this.#charger, opener);
  }

  #drawWhole(charger) {
    if (Number(this.#root.dataset.v) > charger.v) return;
    this.#root.dataset.v = charger.v;
    this.#drawLine(charger);
    put(this.#root, "connectors", ...connectorsOf(charger));
    put(this.#root, "transactions", ...transactionsOf(charger));
    if (charger.online_since) put(document, "online-since", time(charger.online_since, "datetime"));
    if (charger.booted_at) put(document, "last-boot", time(charger.booted_at, "datetime"), charger.boot_reason ? ` · ${charger.boot_reason}` : "");
    const shown = charger.open_attempt ?? charger.last_attempt;
    if (shown) this.#moved(shown);
  }

  #drawLine(charger) {
    this.#charger = { ...this.#charger, ...charger };
    put(this.#root, "state", stateOf(charger));
    put(this.#root, "since", sinceOf(charger));
    for (const list of this.#root.querySelectorAll('[data-testid="restart-reasons"]')) list.replaceChildren(...reasonsOf(charger.restart.blocked_by));
    for (const element of part(this.#root, "why")) element.hidden = charger.restart.blocked_by.length === 0;
    for (const element of part(this.#root, "options")) element.hidden = charger.restart.available || charger.restart.possible.length === 0;
    this.#drawIcon();
    this.#dialog.changed(this.#charger);
  }

  #drawIcon() {
    if (!this.#charger) return;
    const stale = this.#live.state === "stale" || this.#live.state === "ended";
    const restart = this.#charger.restart;
    const kind = stale ? "unknown" : restartKind(restart);
    const usable = kind === "available";
    this.#restart.dataset.kind = this.#button.dataset.kind = kind;
    this.#button.replaceChildren(icon(`restart-${kind}`));
    this.#button.type = usable ? "submit" : "button";
    if (usable) this.#button.removeAttribute("aria-disabled"); else this.#button.setAttribute("aria-disabled", "true");
    this.#button.setAttribute("aria-label", sayText(`icon.${kind}`));
    this.#restart.querySelector(".restart-words").replaceChildren(say(`icon.${kind}`));
    const tooltip = document.getElementById("restart-tooltip");
    const heading = document.createElement("p");
    heading.append(stale ? say("icon.stale", { at: this.#live.heardAt }) : say(`icon.${kind}`), !stale && restart.blocked_by.length ? ":" : "");
    const list = document.createElement("ul");
    if (!stale) list.append(...reasonsOf(restart.blocked_by));
    tooltip.replaceChildren(heading, ...(list.children.length ? [list] : []));
  }
}
