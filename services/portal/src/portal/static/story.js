// The story of one attempt: keeps the newest version, draws it, says aloud what is new, and runs the countdown.

import { announce } from "./announcer.js";
import { make } from "./dom.js";

export class Story {
  #draw;
  #slots;
  #attempt = null;
  #clock = 0;
  /** What is shown first is not news. */
  quiet = true;

  /**
   * @param {import("./render.js").Renderer} draw
   * @param {{ open?: boolean }} [options] open: the evidence is shown from the beginning.
   */
  constructor(draw, { open = false } = {}) {
    this.#draw = draw;
    this.#slots = { verdict: make("div"), timeline: make("div"), wait: make("p", { class: "wait" }), evidence: make("div") };
    this.element = make("div", { "data-part": "story" }, ...Object.values(this.#slots));
    this.open = open;
  }

  get attempt() { return this.#attempt; }

  /** Shows the attempt, unless a newer version of it is shown. @returns {string[] | null} The steps that are new. */
  show(attempt) {
    const same = this.#attempt?.attempt_id === attempt.attempt_id;
    if (same && this.#attempt.v >= attempt.v) return null;
    const before = same ? this.#attempt : null;
    const details = this.element.querySelector("details.evidence");
    const open = (same || this.quiet) && details ? details.open : this.open;
    this.#attempt = attempt;
    this.#put("verdict", this.#draw.verdict(attempt));
    this.#put("timeline", this.#draw.timeline(attempt));
    this.#put("evidence", this.#draw.evidence(attempt, open));
    this.tick();
    const fresh = news(before, attempt);
    if (!this.quiet) this.#announce(before, attempt, fresh);
    this.run();
    return fresh;
  }

  /** The countdown runs while the attempt does. */
  run() {
    clearInterval(this.#clock);
    if (this.#attempt && !this.#attempt.ended) this.#clock = setInterval(() => this.tick(), 1000);
  }

  rest() { clearInterval(this.#clock); }
  tick() { if (this.#attempt) this.#put("wait", this.#draw.wait(this.#attempt)); }

  #put(name, element) {
    this.#slots[name].replaceWith(element);
    this.#slots[name] = element;
  }

  #announce(before, attempt, fresh) {
    const text = (each) => this.#draw.words.text(each.code, each.params);
    if (attempt.verdict) {
      if (before?.verdict?.version !== attempt.verdict.version) announce([...attempt.verdict.says, ...attempt.verdict.also].map(text).join(" "));
    } else if (fresh.length) announce(text(attempt.timeline.findLast((step) => step.step === fresh.at(-1)).says));
  }
}

function news(before, attempt) {
  const known = new Set((before?.timeline ?? []).filter((step) => step.at).map((step) => step.step));
  return attempt.timeline.filter((step) => step.at && !known.has(step.step)).map((step) => step.step);
}
