// The attempt that a page follows: keeps the newest version, draws it, and says aloud what is new.

import { part, storyOf } from "./render.js";
import { say, sayText } from "./words.js";

const announcer = document.getElementById("announcer");

export class Story {
  #section;
  #attempt = null;

  constructor(section) { this.#section = section; }

  get id() { return this.#section.dataset.attempt; }
  get attempt() { return this.#attempt; }

  /** Shows the attempt, unless a newer version of it is shown. `following`: it is another one than before. */
  show(attempt) {
    const section = this.#section;
    const same = section.dataset.attempt === attempt.attempt_id;
    if (same && Number(section.dataset.v) >= attempt.v) {
      if (!this.#attempt && Number(section.dataset.v) === attempt.v) this.#attempt = attempt;
      return false;
    }
    const before = same ? this.#attempt : null;
    const details = section.querySelector("details.evidence");
    const open = section.dataset.evidence === "open" || (same && details?.open);
    section.dataset.attempt = attempt.attempt_id;
    section.dataset.v = attempt.v;
    for (const element of part(section, "story")) element.replaceChildren(...storyOf(attempt, { open }));
    const who = attempt.requested_by.name ?? attempt.requested_by.user_id;
    for (const element of part(section, "by")) element.replaceChildren(say("page.requested_by", { who, at: attempt.requested_at }));
    for (const form of part(section, "cancel")) {
      form.hidden = !attempt.cancellable;
      form.action = `/restarts/${attempt.attempt_id}/cancel`;
    }
    this.#attempt = attempt;
    announce(before, attempt);
    return true;
  }
}

function announce(before, attempt) {
  if (attempt.verdict) {
    if (!before?.verdict || before.verdict.version !== attempt.verdict.version) announcer.textContent = attempt.verdict.says.map((each) => sayText(each.code, each.params)).join(" ");
    return;
  }
  const known = new Set((before?.timeline ?? []).filter((step) => step.at).map((step) => step.step));
  const fresh = attempt.timeline.filter((step) => step.at && !known.has(step.step));
  if (fresh.length) announcer.textContent = sayText(fresh.at(-1).says.code, fresh.at(-1).says.params);
}

export async function read(path) {
  const response = await fetch(path, { cache: "no-store", headers: { accept: "application/json" } });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}
