// <charger-restart charger-id="…">: the restart icon with every reason, the dialog, the timeline and the verdict of one
// charger, on the portal's own pages and on any other. Its attributes, events and variables are described at /embed.

import { announce } from "./announcer.js";
import { icon, make } from "./dom.js";
import { Live } from "./live.js";
import { PortalApi, ProblemError } from "./portal-api.js";
import { openWord, Renderer, restartKind } from "./render.js";
import { RestartDialog } from "./restart-dialog.js";
import { Story } from "./story.js";
import css from "./styles.js";
import { wordsFor } from "./words.js";

const STATES = ["loading", "available", "blocked", "restarting", "unknown", "error"];
const CHECKING_AFTER_MS = 300;
let sheet;

export class ChargerRestart extends HTMLElement {
  static observedAttributes = ["charger-id", "charger", "base-url", "lang", "variant", "disabled"];

  /** Gives an access token for the portal; a property and never an attribute, which ends in logs. @type {(() => Promise<string>) | undefined} */
  getToken;
  #root = this.attachShadow({ mode: "open" });
  #internals = this.attachInternals();
  #state = "loading";
  #error = null;
  #charger = null;
  #run = null;

  constructor() {
    super();
    sheet ??= made(css);
    this.#root.adoptedStyleSheets = [sheet];
    // What the page wrote inside the element stays to be seen until there is something better: nothing jumps.
    this.#root.append(make("slot"));
  }

  /** @returns {"loading" | "available" | "blocked" | "restarting" | "unknown" | "error"} */
  get state() { return this.#state; }
  get blockedBy() { return this.#charger?.restart.blocked_by ?? []; }
  get attempt() { return this.#run?.story.attempt ?? null; }
  get verdict() { return this.attempt?.verdict ?? null; }
  get error() { return this.#error; }
  get chargerId() { return this.getAttribute("charger-id") ?? this.getAttribute("charger") ?? ""; }

  /** Opens the dialog, where the charger can be restarted in one way or another. Nothing is sent without its OKAY. */
  show() { this.#ask(null); }
  /** Closes the dialog. */
  close() { this.#run?.dialog.close(); }
  /** The icon gets the focus. Not by delegatesFocus, with which a click on any text inside would move it there. */
  focus(options) { this.#run?.button?.focus(options); }
  /** Reads the charger again. */
  refresh() { return this.#run ? this.#refresh(this.#run) : Promise.resolve(); }

  connectedCallback() { queueMicrotask(() => this.#begin()); }
  disconnectedCallback() { this.#end(); }
  attributeChangedCallback(name, before, after) {
    if (!this.#run || before === after) return;
    if (name !== "disabled") this.#begin();
    else if (this.#run.icon) this.#drawIcon(this.#run);
  }

  // --- beginning and end ------------------------------------------------------------------------------------------------

  async #begin() {
    this.#end();
    if (!this.isConnected) return;
    this.#charger = this.#error = null;
    const language = this.closest("[lang]")?.lang || document.documentElement.lang || "en";
    const base = (this.getAttribute("base-url") ?? location.origin).replace(/\/+$/, "");
    const run = this.#run = { gone: new AbortController(), base, v: -1, live: null, reading: null, again: false };
    const checking = setTimeout(() => { if (this.#run === run && !this.#charger) this.#become("loading"); }, CHECKING_AFTER_MS);
    try {
      const words = await wordsFor(language);
      if (this.#run !== run) return;
      run.api = new PortalApi(base, this.getToken, words.language);
      run.draw = new Renderer(words, base === location.origin ? "" : base);
      this.#build(run);
      const given = this.querySelector("script[type='application/json']");
      if (given) this.#drawWhole(run, JSON.parse(given.textContent));
      else await this.#refresh(run);
      for (const child of this.querySelectorAll(":scope > [data-fallback]")) child.remove();
      run.story.quiet = false;
      if (this.#run === run && run.v >= 0) this.#follow(run);
    } finally { clearTimeout(checking); }
  }

  #end() {
    const run = this.#run;
    this.#run = null;
    run?.gone.abort();
    run?.live?.leave();
    run?.story?.rest();
    if (run?.dialog?.open) run.dialog.element.close();
  }

  #follow(run) {
    const live = run.live = new Live({ base: run.base, cursor: run.v, user: document.body.dataset.user, getToken: this.getToken });
    const on = (name, handle) => live.addEventListener(name, ({ detail }) => { if (this.#run === run) handle(detail); }, { signal: run.gone.signal });
    on("charger", (line) => this.#changed(run, line));
    on("attempt", (attempt) => this.#moved(run, attempt));
    on("verdict", (attempt) => this.#moved(run, attempt));
    on("reset", ({ why }) => {
      // Too much was missed to be told: nothing here is sure until it has been read again.
      run.behind = why !== "rights_changed";
      if (run.behind) this.#drawIcon(run);
      this.#refresh(run);
    });
    on("state", ({ state }) => {
      if (state === "ended" && this.getToken) this.#tell("restart-auth", {});
      if (state === "live" && run.stale) this.#refresh(run);
      run.stale = state !== "live" && state !== "connecting";
      this.#drawIcon(run);
    });
  }

  // --- drawing ----------------------------------------------------------------------------------------------------------

  #build(run) {
    const full = this.getAttribute("variant") !== "icon";
    run.button = make("button", { type: "button", class: "restart-icon", part: "icon", "data-testid": "restart-icon", "aria-describedby": "tooltip" });
    run.label = make("span", { class: "restart-words", part: "label", "aria-hidden": "true" });
    run.tooltip = make("div", { class: "tooltip", role: "tooltip", part: "tooltip", id: "tooltip", "data-testid": "restart-tooltip" });
    run.icon = make("div", { class: "restart" }, run.button, full ? run.label : null, run.tooltip);
    run.reasons = make("ul", { class: "reasons", "data-testid": "restart-reasons" });
    run.other = make("button", { type: "button", "data-testid": "restart-options", hidden: true }, run.draw.say("modal.more"), "…");
    run.why = make("div", { class: "why", hidden: true }, run.reasons, run.other);
    run.trouble = make("p", { class: "trouble", role: "status", hidden: true });
    run.story = new Story(run.draw);
    run.heading = make("h2", { tabindex: "-1" });
    run.by = make("p", { class: "muted" });
    run.already = make("p", { class: "already", hidden: true }, run.draw.say("modal.already"));
    run.takeBack = make("button", { type: "button", class: "quiet", "data-testid": "cancel-restart", hidden: true }, run.draw.say("page.cancel_restart"));
    run.section = make("section", { class: "story", hidden: true, "data-testid": "story" }, run.heading, run.already, run.by, run.story.element, run.takeBack);
    run.dialog = new RestartDialog({
      draw: run.draw,
      call: (path, init) => run.api.call(path, init),
      before: (asked) => this.#tell("restart-before", { ...asked }, true),
      accepted: (attempt) => this.#accepted(run, attempt),
      failed: (problem) => this.#failed(problem),
    });
    run.button.addEventListener("click", (event) => this.#pressed(run, event));
    run.other.addEventListener("click", () => this.#ask(run.other));
    run.takeBack.addEventListener("click", () => this.#takeBack(run));
    for (const name of ["pointerenter", "focus"]) run.button.addEventListener(name, () => run.icon.classList.remove("hush"));
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") run.icon.classList.add("hush"); }, { signal: run.gone.signal });
    const ago = setInterval(() => run.draw.words.showTimes(this.#root, 'time[data-show="ago"]'), 10000);
    run.gone.signal.addEventListener("abort", () => clearInterval(ago));
    this.#root.replaceChildren(make("div", { class: full ? "row" : "row bare" }, run.icon, full ? run.why : null, full ? run.trouble : null),
      make("slot", { name: "details" }), ...(full ? [run.section] : []), run.dialog.element);
    this.#drawIcon(run);
  }

  #drawWhole(run, charger) {
    run.behind = false;
    if (run.v > charger.v) { this.#drawIcon(run); return; }
    this.#drawLine(run, charger);
    const shown = charger.open_attempt ?? charger.last_attempt;
    if (shown) this.#moved(run, shown);
    this.#tell("restart-charger", { charger });
  }

  #drawLine(run, charger) {
    run.v = charger.v;
    this.#charger = { ...this.#charger, ...charger };
    this.#error = null;
    this.#drawIcon(run);
    run.dialog.changed(this.#charger);
  }

  #drawIcon(run) {
    const { draw } = run;
    const restart = this.#charger?.restart;
    const stale = run.live && (run.behind || (run.live.state !== "live" && run.live.state !== "connecting"));
    const kind = this.#error || stale || !restart ? "unknown" : this.hasAttribute("disabled") && restart.available ? "blocked" : restartKind(restart);
    const known = kind === "available" || kind === "blocked" || kind === "restarting";
    const word = kind === "restarting" ? draw.say(openWord(this.#charger)) : known ? draw.say(`icon.${kind}`) : this.#error ? draw.say("icon.error") : restart ? draw.say("icon.unknown") : draw.say("icon.checking");
    const reasons = known ? restart.blocked_by : [];
    run.icon.dataset.kind = run.button.dataset.kind = kind;
    run.button.replaceChildren(icon(`restart-${kind}`));
    if (kind === "available" || kind === "unknown") run.button.removeAttribute("aria-disabled"); else run.button.setAttribute("aria-disabled", "true");
    run.button.setAttribute("aria-label", word.textContent);
    run.label.replaceChildren(word.cloneNode(true));
    run.tooltip.replaceChildren(
      make("p", {}, this.#error ? this.#error.message : stale ? draw.say("icon.stale", { at: run.live.heardAt }) : word, reasons.length ? ":" : null),
      ...(reasons.length ? [make("ul", {}, ...draw.reasons(reasons))] : []));
    run.reasons.replaceChildren(...draw.reasons(reasons));
    run.other.hidden = !known || restart.available || restart.possible.length === 0;
    run.why.hidden = reasons.length === 0;
    run.trouble.hidden = !this.#error;
    run.trouble.textContent = this.#error?.message ?? "";
    run.section.classList.toggle("not-live", Boolean(stale));
    this.#become(this.#error ? "error" : restart || stale ? kind : "loading");
  }

  #showStory(run, attempt) {
    const fresh = run.story.show(attempt);
    if (fresh === null) return;
    const { draw } = run;
    run.section.hidden = false;
    run.heading.replaceChildren(draw.title(attempt));
    run.by.replaceChildren(draw.say("page.requested_by", { who: attempt.requested_by.name ?? attempt.requested_by.user_id, at: attempt.requested_at }));
    run.takeBack.hidden = !attempt.cancellable;
    if (run.story.quiet) return;
    for (const step of fresh) this.#tell("restart-progress", { step, at: attempt.timeline.find((each) => each.step === step).at, attemptId: attempt.attempt_id });
    if (attempt.verdict && run.told !== `${attempt.attempt_id} ${attempt.verdict.version}`) {
      run.told = `${attempt.attempt_id} ${attempt.verdict.version}`;
      const { verdict, confidence, health } = attempt.verdict;
      this.#tell("restart-verdict", { verdict, confidence, health, evidence: attempt.evidence, attemptId: attempt.attempt_id });
    }
  }

  // --- what happens -----------------------------------------------------------------------------------------------------

  #changed(run, line) {
    if (line.charger_id !== this.chargerId || run.v >= line.v) return;
    this.#drawLine(run, line);
    this.#refresh(run);
  }

  #moved(run, attempt) {
    if (attempt.charger_id !== this.chargerId || attempt.existing_attempt_id) return;
    const shown = run.story.attempt;
    if (!shown || shown.attempt_id === attempt.attempt_id || attempt.requested_at >= shown.requested_at) this.#showStory(run, attempt);
  }

  #accepted(run, attempt) {
    this.#tell("restart-requested", { attemptId: attempt.attempt_id });
    this.#showStory(run, attempt);
    run.already.hidden = !attempt.already_restarting;
    // Grey at once: the stream will say the same in a moment.
    if (!attempt.ended && this.#charger) {
      const restart = { ...this.#charger.restart, available: false, possible: [], attempt_id: attempt.attempt_id };
      const charger = { ...this.#charger, state: attempt.when === "now" ? "restarting" : this.#charger.state, since: attempt.requested_at, restart };
      this.#drawLine(run, charger);
      this.#tell("restart-charger", { charger: this.#charger });
    }
    run.heading.focus();
  }

  #pressed(run, event) {
    event.preventDefault();
    // Nobody has to press twice: what was asked for before the state was known is done when it is, if it can be.
    if (run.button.dataset.kind === "unknown") this.#refresh(run).then(() => this.#askWhereItCan(run));
    else this.#askWhereItCan(run);
  }

  #askWhereItCan(run) {
    if (this.#run === run && run.button.dataset.kind === "available") this.#ask(run.button);
  }

  #ask(opener) {
    const run = this.#run;
    if (!run?.dialog || !this.#charger || this.#state === "unknown" || this.#state === "error" || this.hasAttribute("disabled")) return;
    if (this.#charger.restart.possible.length) run.dialog.show(this.#charger, opener ?? run.button);
  }

  async #takeBack(run) {
    const response = await run.api.call(`/api/v1/restarts/${run.story.attempt.attempt_id}`, { method: "DELETE" }).catch(() => null);
    if (response?.ok) return;
    const problem = (await response?.json().catch(() => null)) ?? {};
    announce(problem.detail ?? run.draw.words.text("sys.error"));
    this.#failed({ status: response?.status ?? 0, ...problem });
  }

  /** Reads the whole charger again; calls while one is under way are one more reading after it. */
  #refresh(run) {
    if (run.reading) { run.again = true; return run.reading; }
    run.reading = (async () => {
      try {
        do {
          run.again = false;
          const charger = await run.api.read(`/api/v1/chargers/${encodeURIComponent(this.chargerId)}`);
          if (this.#run !== run) return;
          this.#drawWhole(run, charger);
        } while (run.again);
        if (!run.live && run.v >= 0 && !run.story.quiet) this.#follow(run);
      } catch (error) { if (this.#run === run) this.#trouble(run, error); } finally { run.reading = null; }
    })();
    return run.reading;
  }

  #trouble(run, error) {
    const { words } = run.draw;
    const status = error instanceof ProblemError ? error.status : 0;
    if (status === 401) this.#tell("restart-auth", {});
    if (status === 401 && !run.live) this.#error = { message: words.text("sys.session"), problem: error.problem };
    else if (status === 404) this.#error = { message: words.text("sys.notfound"), problem: error.problem };
    else if (status === 0 && run.base !== location.origin && !run.live) {
      console.warn(`<charger-restart>: ${run.base} can't be read from ${location.origin}. Is this origin in PORTAL_EMBED_ORIGINS there, and is getToken set?`);
      this.#error = { message: words.text("sys.unreachable"), problem: { status, title: String(error) } };
    } else if (!this.#charger) this.#error = { message: words.text("sys.unreachable"), problem: { status, title: String(error) } };
    if (this.#error) this.#failed(this.#error.problem);
    this.#drawIcon(run);
  }

  #failed(problem) { this.#tell("restart-error", { problem }); }

  #become(state) {
    this.#state = state;
    for (const each of STATES) this.#internals.states[each === state ? "add" : "delete"](each);
    const told = `${state} ${this.blockedBy.map((block) => block.reason)}`;
    if (state === "loading" || told === this.#run?.available) return;
    if (this.#run) this.#run.available = told;
    this.#tell("restart-availability", { available: state === "available", blockedBy: this.blockedBy });
  }

  /** @returns {boolean} False when a listener has prevented it. */
  #tell(name, detail, cancelable = false) { return this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true, cancelable })); }
}

function made(text) {
  const made = new CSSStyleSheet();
  made.replaceSync(text);
  return made;
}

if (!customElements.get("charger-restart")) customElements.define("charger-restart", ChargerRestart);
