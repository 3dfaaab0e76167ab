// The dialog CHARGER RESTART: nothing is sent but by OKAY, and each opening asks for one attempt at most.

import { interruptsOf, part, put, reasonsOf, make, sinceOf, stateOf } from "./render.js";
import { say } from "./words.js";

const WAIT_MS = 10000;

export class RestartDialog {
  #dialog = document.getElementById("restart-dialog");
  #form = document.getElementById("restart-form");
  #ok = this.#dialog.querySelector('[data-testid="dialog-ok"]');
  #cancel = this.#dialog.querySelector('[data-testid="dialog-cancel"]');
  #trouble = this.#dialog.querySelector(".dialog-trouble");
  #change = this.#dialog.querySelector(".dialog-changed");
  #chargerId;
  #onAccepted;
  #charger = null;
  #opener = null;
  #key = "";
  #sending = false;

  constructor({ chargerId, onAccepted }) {
    this.#chargerId = chargerId;
    this.#onAccepted = onAccepted;
    this.#cancel.addEventListener("click", () => this.#dialog.close());
    this.#form.addEventListener("submit", (event) => { event.preventDefault(); this.#send(); });
    this.#form.addEventListener("change", () => this.#judge());
    this.#dialog.addEventListener("cancel", (event) => { if (this.#sending) event.preventDefault(); });
    this.#dialog.addEventListener("close", () => { if (this.#opener?.isConnected) this.#opener.focus(); });
    if (!("closedBy" in HTMLDialogElement.prototype)) this.#closeByClickOutside();
  }

  open(charger, opener) {
    this.#opener = opener;
    this.#key = crypto.randomUUID();
    this.#form.reset();
    this.#trouble.hidden = this.#change.hidden = true;
    this.#draw(charger);
    const way = this.#first(charger.restart.possible);
    for (const input of this.#form.elements.when) input.checked = input.value === way;
    this.#dialog.querySelector("details.options").open = way !== "now" || !charger.restart.available;
    this.#judge();
    this.#dialog.showModal();
    document.getElementById("dialog-title").focus();
  }

  /** The charger is another than when the dialog was opened. */
  changed(charger) {
    if (!this.#dialog.open || this.#sending) return;
    this.#draw(charger);
    this.#judge();
  }

  #draw(charger) {
    this.#charger = charger;
    put(this.#dialog, "state", stateOf(charger));
    put(this.#dialog, "since", sinceOf(charger));
    put(this.#dialog, "interrupts", ...interruptsOf(charger));
    for (const input of this.#form.elements.when) {
      input.disabled = !this.#can(input.value);
      input.closest("label").hidden = input.value === "online" && charger.online;
    }
  }

  #can(way) {
    const possible = this.#charger.restart.possible;
    return possible.includes(way) || (way === "now" && possible.includes("now_interrupting_charging"));
  }

  #first(possible) { return possible.length && !this.#can("now") ? possible[0] : "now"; }

  get #way() { return [...this.#form.elements.when].find((input) => input.checked)?.value ?? "now"; }

  /** OKAY works while what is chosen is possible; else the reasons stand here, inside, where they are also heard. */
  #judge() {
    const can = this.#can(this.#way);
    this.#ok.setAttribute("aria-disabled", String(!can || this.#sending));
    this.#change.hidden = can;
    if (can) return;
    this.#change.replaceChildren(make("p", {}, say("modal.changed")), make("ul", { class: "reasons" }, ...reasonsOf(this.#charger.restart.blocked_by)));
  }

  async #send() {
    if (this.#sending || this.#ok.getAttribute("aria-disabled") === "true") return;
    this.#begin();
    try {
      const when = this.#way;
      const response = await fetch(`/api/v1/chargers/${encodeURIComponent(this.#chargerId)}/restarts`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": this.#key },
        body: JSON.stringify({ when, type: this.#form.elements.type.value, interrupt_charging: when === "now" && this.#charger.restart.interrupts.length > 0 }),
        signal: AbortSignal.timeout(WAIT_MS),
      });
      if (response.ok) { this.#accepted(await response.json()); return; }
      const problem = await response.json().catch(() => ({}));
      if (response.status === 401) this.#say(say("sys.session"), " ", make("a", { href: `/login?next=${encodeURIComponent(location.pathname)}` }, say("sys.sign_in")));
      else if (response.status === 429) this.#say(say("sys.busy", { seconds: response.headers.get("retry-after") ?? "10" }));
      else if (response.status >= 500) this.#unsure();
      else this.#say(problem.detail ?? say("sys.error"));
    } catch { this.#unsure(); } finally { this.#end(); }
  }

  #begin() {
    this.#sending = true;
    this.#dialog.setAttribute("closedby", "none");
    this.#trouble.hidden = true;
    this.#ok.setAttribute("aria-disabled", "true");
    this.#ok.replaceChildren(say("modal.sending"));
  }

  #end() {
    this.#sending = false;
    this.#dialog.setAttribute("closedby", "any");
    this.#ok.replaceChildren(say("modal.ok"));
    if (this.#dialog.open) this.#judge();
  }

  #accepted(attempt) {
    this.#opener = null;
    this.#dialog.close();
    this.#onAccepted(attempt);
  }

  /** The same key stays: to try again cannot restart it twice. */
  #unsure() { this.#say(say("modal.unsure")); }

  #say(...content) {
    this.#trouble.replaceChildren(...content);
    this.#trouble.hidden = false;
  }

  /** For browsers without closedby: only a press and a click that both hit the backdrop close; a drag from inside does not. */
  #closeByClickOutside() {
    let pressedOutside = false;
    this.#dialog.addEventListener("pointerdown", (event) => { pressedOutside = event.target === this.#dialog; });
    this.#dialog.addEventListener("click", (event) => { if (pressedOutside && event.target === this.#dialog && !this.#sending) this.#dialog.close(); });
  }
}
