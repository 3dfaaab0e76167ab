// The dialog CHARGER RESTART: nothing is sent but by OKAY, and each opening asks for one attempt at most.

import { make, part, put } from "./dom.js";

const WAIT_MS = 10000;
const WAYS = ["now", "idle", "online"];
const TYPES = ["auto", "soft", "hard"];

/**
 * @typedef {object} DialogOptions
 * @property {import("./render.js").Renderer} draw
 * @property {(path: string, init: RequestInit) => Promise<Response>} call
 * @property {(asked: object) => boolean} before May refuse.
 * @property {(attempt: object) => void} accepted
 * @property {(problem: object) => void} failed
 */
export class RestartDialog {
  #draw;
  #options;
  #charger = null;
  #opener = null;
  #key = "";
  /** What was sent, while nobody knows whether it was received: the key is for this and nothing else. */
  #unsureOf = null;
  #sending = false;

  /** @param {DialogOptions} options */
  constructor(options) {
    [this.#options, this.#draw] = [options, options.draw];
    const draw = this.#draw;
    this.title = make("h2", { id: "dialog-title", part: "title", tabindex: "-1", autofocus: true }, draw.say("modal.title"));
    this.ok = make("button", { class: "primary", part: "ok", "data-testid": "dialog-ok" }, draw.say("modal.ok"));
    this.cancel = make("button", { type: "button", part: "cancel", "data-testid": "dialog-cancel" }, draw.say("modal.cancel"));
    this.trouble = make("div", { class: "dialog-trouble", role: "alert", hidden: true });
    this.change = make("div", { class: "dialog-changed", role: "status", hidden: true });
    this.more = make("details", { class: "options" }, make("summary", {}, draw.say("modal.options")), make("div", { class: "choices" }, this.#choice("when", WAYS), this.#choice("type", TYPES)));
    this.form = make("form", { method: "dialog" }, this.title,
      make("p", { class: "dialog-charger", "data-part": "label" }), make("dl", { class: "facts", part: "details", "data-part": "facts" }),
      make("ul", { class: "interrupts", "data-part": "interrupts", "aria-live": "polite" }), make("p", { "data-part": "effect" }), this.more,
      this.trouble, this.change,
      make("div", { class: "buttons" }, make("p", { class: "muted hint" }, draw.say("modal.hint")), this.cancel, this.ok));
    this.element = make("dialog", { part: "dialog", closedby: "any", "aria-labelledby": "dialog-title", "data-testid": "restart-dialog" }, this.form);
    this.cancel.addEventListener("click", () => this.element.close());
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.#send(); });
    this.form.addEventListener("change", () => { this.#interrupts(); this.#judge(); });
    this.element.addEventListener("cancel", (event) => { if (this.#sending) event.preventDefault(); });
    this.element.addEventListener("close", () => { if (this.#opener?.isConnected) this.#opener.focus(); });
    if (!("closedBy" in HTMLDialogElement.prototype)) this.#closeByClickOutside();
  }

  get open() { return this.element.open; }

  /** @param {object} charger @param {HTMLElement | null} opener Gets the focus back. */
  show(charger, opener) {
    if (this.open) return;
    this.#opener = opener;
    this.#key = newKey();
    this.#unsureOf = null;
    this.#lock(false);
    this.ok.replaceChildren(this.#draw.say("modal.ok"));
    this.form.reset();
    this.trouble.hidden = this.change.hidden = true;
    this.#fill(charger);
    const way = WAYS.find((each) => charger.restart.possible.includes(each)) ?? "now";
    for (const input of this.form.elements.when) input.checked = input.value === way;
    this.more.open = way !== "now" || !charger.restart.available;
    this.#interrupts();
    this.#judge();
    this.element.showModal();
    this.title.focus();
  }

  close() { if (this.open && !this.#sending) this.element.close(); }

  /** The charger is another than when the dialog was opened. */
  changed(charger) {
    if (!this.open || this.#sending) return;
    this.#fill(charger);
    this.#judge();
  }

  #choice(name, values) {
    return make("fieldset", { class: "choice" }, make("legend", {}, this.#draw.say(`modal.${name}`)), ...values.map((value, place) => make("label", { [`data-${name}`]: value },
      make("input", { type: "radio", name, value, checked: place === 0 }),
      make("span", {}, this.#draw.say(`${name}.${value}`), make("small", {}, this.#draw.say(`${name}.${value}.about`))))));
  }

  #fill(charger) {
    this.#charger = charger;
    const draw = this.#draw;
    const fact = (code, ...value) => make("div", {}, make("dt", {}, draw.say(code)), make("dd", {}, ...value));
    const also = (value) => (value ? ` · ${value}` : null);
    put(this.element, "label", charger.label);
    put(this.element, "facts",
      fact("field.charger_id", charger.charger_id), fact("field.model", charger.model, also(charger.firmware)),
      fact("field.group", charger.group.name, also(charger.site)), fact("field.state", draw.state(charger), " ", draw.since(charger)),
      ...(charger.online_since ? [fact("field.online_since", draw.words.time(charger.online_since, "datetime"))] : []),
      ...(charger.last_verdict ? [fact("modal.last", draw.outcome(charger.last_verdict), " · ", draw.words.time(charger.last_verdict.at, "datetime"))] : []));
    this.#interrupts();
    put(this.element, "effect", draw.effect(charger), " ", draw.say("modal.watch"));
    for (const input of this.form.elements.when) {
      input.disabled = !this.#can(input.value);
      input.closest("label").hidden = input.value === "online" && charger.online;
      if (input.value === "now") input.closest("label").querySelector("small").replaceChildren(draw.say(charger.restart.interrupts.length ? "when.now.interrupts" : "when.now.about"));
    }
  }

  /** What becomes of who is charging, as far as that is another than what is said already: the list is a live region. */
  #interrupts() {
    const lines = this.#draw.interrupts(this.#charger, this.#way);
    const [list] = part(this.element, "interrupts");
    if (list.textContent !== lines.map((line) => line.textContent).join("")) list.replaceChildren(...lines);
  }

  #can(way) {
    const possible = this.#charger.restart.possible;
    return possible.includes(way) || (way === "now" && possible.includes("now_interrupting_charging"));
  }

  get #way() { return [...this.form.elements.when].find((input) => input.checked)?.value ?? "now"; }

  /** OKAY works while what is chosen is possible; else the reasons stand here, inside, where they are also heard. */
  #judge() {
    const can = this.#can(this.#way);
    this.ok.setAttribute("aria-disabled", String(!can || this.#sending));
    this.change.hidden = can;
    this.change.replaceChildren(...(can ? [] : [make("p", {}, this.#draw.say("modal.changed")), make("ul", { class: "reasons" }, ...this.#draw.reasons(this.#charger.restart.blocked_by))]));
  }

  async #send() {
    if (this.#sending || this.ok.getAttribute("aria-disabled") === "true") return;
    const when = this.#way;
    const asked = this.#unsureOf ?? { when, type: this.form.elements.type.value, interrupt_charging: when === "now" && this.#charger.restart.interrupts.length > 0 };
    if (!this.#options.before(asked)) { this.element.close(); return; }
    this.#begin();
    try {
      const response = await this.#options.call(`/api/v1/chargers/${encodeURIComponent(this.#charger.charger_id)}/restarts`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": this.#key },
        body: JSON.stringify(asked),
        signal: AbortSignal.timeout(WAIT_MS),
      });
      if (response.ok) { this.#accepted(await response.json()); return; }
      await this.#refused(response, asked);
    } catch { this.#unsure(asked); } finally { this.#end(); }
  }

  async #refused(response, asked) {
    const draw = this.#draw;
    const problem = await response.json().catch(() => ({}));
    this.#options.failed({ status: response.status, ...problem });
    if (response.status === 401) this.#tell(draw.say("sys.session"), " ", make("a", { href: `${draw.base}/login?next=${encodeURIComponent(location.pathname)}` }, draw.say("sys.sign_in")));
    else if (response.status === 429) this.#tell(draw.say("sys.busy", { seconds: response.headers.get("retry-after") ?? "10" }));
    else if (response.status >= 500) this.#unsure(asked);
    else this.#tell(problem.detail ?? draw.say("sys.error"));
  }

  #begin() {
    this.#sending = true;
    this.element.setAttribute("closedby", "none");
    this.trouble.hidden = true;
    this.ok.setAttribute("aria-disabled", "true");
    this.ok.replaceChildren(this.#draw.say("modal.sending"));
  }

  #end() {
    this.#sending = false;
    this.element.setAttribute("closedby", "any");
    this.ok.replaceChildren(this.#draw.say(this.#unsureOf ? "next.again" : "modal.ok"));
    if (this.open) this.#judge();
  }

  #accepted(attempt) {
    this.#opener = null;
    this.element.close();
    this.#options.accepted(attempt);
  }

  /** The same key stays, and so does what is asked for: to try again cannot restart it twice. */
  #unsure(asked) {
    this.#unsureOf = asked;
    this.#lock(true);
    this.#tell(this.#draw.say("modal.unsure"));
  }

  #lock(locked) { for (const choice of this.form.querySelectorAll("fieldset")) choice.disabled = locked; }

  #tell(...content) {
    this.trouble.replaceChildren(...content);
    this.trouble.hidden = false;
  }

  /** For browsers without closedby: only a press and a click that both hit the backdrop close; a drag from inside does not. */
  #closeByClickOutside() {
    let pressedOutside = false;
    this.element.addEventListener("pointerdown", (event) => { pressedOutside = event.target === this.element; });
    this.element.addEventListener("click", (event) => { if (pressedOutside && event.target === this.element) this.close(); });
  }
}

/** randomUUID is for secure pages only; a portal on plain HTTP in a closed network has this. */
const newKey = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
