// Draws what templates/_parts.html draws, when it changes: the same elements, classes and words.

import { now } from "./clock.js";
import { icon, make } from "./dom.js";
import { elapsed } from "./words.js";

const TONES = { available: "ok", connected: "ok", occupied: "info", charging: "info", updating_firmware: "info", faulted: "bad", lost: "bad" };

/** Statuses of an attempt that waits, for the charger or for who is charging: as long as they like. */
const WAITS = ["queued", "awaiting_idle"];

/** @returns {"available" | "restarting" | "blocked"} What the restart icon shows. */
export const restartKind = (restart) => (restart.available ? "available" : restart.attempt_id ? "restarting" : "blocked");

/** The word for a restart that is asked for: one that waits for the charger, or for it to be free, has not begun. */
export const openWord = (charger) => (charger.state === "restarting" ? "icon.restarting" : "icon.waiting");

/** The colour of a verdict. */
export function tone(verdict) {
  if (verdict.verdict === "restarted") {
    if (verdict.health && verdict.health !== "ok") return "bad";
    return verdict.confidence === "low" || verdict.confidence === "medium" ? "warn" : "ok";
  }
  if (verdict.verdict === "not_restarted") return verdict.cause === "blip" || verdict.cause === "ignored" ? "warn" : "bad";
  return verdict.verdict === "lost" ? "bad" : "info";
}

/** The shape of a verdict. */
export function glyph(verdict) {
  if (verdict.verdict === "restarted") return { medium: "ring", low: "perhaps" }[verdict.confidence] ?? "check";
  return verdict.verdict === "not_restarted" || verdict.verdict === "lost" ? "no" : "nothing";
}

/** Draws in one language; `base` is the portal's address, for links. */
export class Renderer {
  /** @param {import("./words.js").Words} words @param {string} [base] */
  constructor(words, base = "") { [this.words, this.base] = [words, base]; }

  say(code, params) { return this.words.say(code, params); }
  #said(says) { return this.words.say(says.code, says.params); }

  state(charger) {
    return make("span", { class: `state tone-${TONES[charger.state] ?? "grey"}`, "data-testid": "charger-state", "data-state": charger.state },
      icon(`state-${charger.state}`), make("span", { class: "state-word" }, this.say(`state.${charger.state}`)));
  }

  since(charger) { return make("span", { class: "since" }, charger.since ? this.say("state.since", { since: charger.since }) : null); }
  reasons(blocks) { return blocks.map((block) => make("li", { "data-reason": block.reason }, this.#said(block.says))); }

  timeline(attempt) {
    return make("ol", { class: "timeline", part: "timeline", "data-testid": "timeline" }, ...attempt.timeline.map((step) => make("li", {
      class: `step mark-${step.mark}`, part: "step", "data-testid": `step-${step.step}`, "data-mark": step.mark, "aria-current": step.mark === "current" ? "step" : null,
    },
    icon(`mark-${step.mark}`),
    make("span", { class: "step-word" }, this.#said(step.says), step.mark === "note" ? null : make("span", { class: "sr-only" }, " (", this.say(`step.state.${step.mark}`), ")")),
    make("span", { class: "step-time" }, step.at ? this.words.time(step.at) : null),
    make("span", { class: "step-elapsed" }, step.at && step.step !== "requested" ? this.words.number(elapsed(step.elapsed_ms)) : null))));
  }

  /** What is waited for, and how long that usually takes. It is drawn each second, and stands in no live region. */
  wait(attempt) {
    if (attempt.ended) return make("p", { class: "wait" });
    const passed = Math.max(0, Math.round((now() - Date.parse(attempt.requested_at)) / 1000));
    const { mood, sentence } = countdown(attempt, now());
    return make("p", { class: `wait${mood === "overdue" ? " wait-late" : ""}`, "data-testid": "wait", "data-mood": mood },
      sentence ? this.say(...sentence) : null, sentence ? " " : null,
      make("span", { class: "wait-elapsed" }, this.say("wait.elapsed", { elapsed: passed }), "."),
      attempt.deadline && mood !== "usual" ? " " : null,
      attempt.deadline && mood !== "usual" ? this.say("wait.deadline", { deadline: attempt.deadline }) : null);
  }

  verdict(attempt) {
    const verdict = attempt.verdict;
    if (!verdict) return make("section", { class: "verdict", "data-testid": "verdict", hidden: true });
    const sentence = make("p", { class: "verdict-sentence" });
    for (const each of verdict.says) sentence.append(this.#said(each), " ");
    const also = make("p", { class: "verdict-also" });
    for (const each of verdict.also) also.append(this.#said(each), " ");
    return make("section", { class: `verdict band-${tone(verdict)}`, part: "verdict", "data-testid": "verdict", "data-verdict": verdict.verdict, "data-confidence": verdict.confidence },
      icon(`verdict-${glyph(verdict)}`, "icon verdict-icon"),
      make("div", {}, sentence, verdict.also.length ? also : null,
        attempt.refusals.length ? make("ul", { class: "reasons" }, ...this.reasons(attempt.refusals)) : null,
        make("p", { class: "verdict-more" }, make("span", { class: "chip" }, this.say("confidence.label", { confidence: verdict.confidence })),
          make("a", { class: "black-box", href: `${this.base}/restarts/${attempt.attempt_id}` }, this.say("page.black_box")), ...this.#next(attempt))));
  }

  /** What stands above an attempt. */
  title(attempt) { return this.say(attempt.ended ? "page.last_verdict" : WAITS.includes(attempt.status) ? "icon.waiting" : "page.open_attempt"); }

  /** The one thing that a person would do now. */
  #next(attempt) {
    const next = attempt.verdict.next;
    if (next === "again" || next === "idle") return [" ", make("a", { href: `${this.base}/chargers/${encodeURIComponent(attempt.charger_id)}/restart` }, this.say(`next.${next}`))];
    return next === "service" ? [" ", make("b", {}, this.say("next.service"))] : [];
  }

  evidence(attempt, open) {
    return make("details", { class: "evidence", part: "evidence", "data-testid": "evidence", open, hidden: attempt.evidence.length === 0 },
      make("summary", {}, this.say("page.evidence"), " ", make("span", { class: "count" }, String(attempt.evidence.length))),
      make("ol", { class: "evidence-list" }, ...attempt.evidence.map((item) => make("li", { "data-kind": item.kind },
        make("span", { class: "evidence-time" }, this.words.time(item.at)),
        make("span", { class: "evidence-said" }, this.#said(item.says), " ",
          make("span", { class: "evidence-where" }, this.say("evidence.position", { event_id: item.event_id, position: item.position, epoch: item.epoch })))))));
  }

  /** What becomes of who is charging, if it is restarted in this way. */
  interrupts(charger, way) {
    if (way === "online") return [make("li", {}, this.say("modal.waits_online"))];
    const running = charger.restart.interrupts;
    if (!running.length) return [make("li", {}, this.say("modal.interrupts_nothing"))];
    const code = way === "idle" ? "modal.waits" : "modal.interrupts";
    return running.map((each) => make("li", { class: way === "idle" ? null : "stops" }, way === "idle" ? null : icon("warning"),
      make("span", {}, this.say(code, { connector: each.connector, kwh: each.energy_kwh, since: each.since }))));
  }

  effect(charger) {
    const usual = charger.restart.expected;
    if (!usual?.away) return this.say("modal.effect_unknown", { label: charger.label, model: charger.model });
    return this.say("modal.effect", { label: charger.label, usual: usual.away.p50_s, samples: usual.samples, model: charger.model });
  }

  connectors(charger) {
    if (!charger.connectors.length) return [make("li", { class: "muted" }, this.say("page.no_connectors"))];
    return charger.connectors.map((connector) => make("li", {},
      make("span", {}, connector.name ? this.say("page.connector", { name: connector.name }) : this.say("page.whole_charger")),
      make("span", { class: `word tone-${connector.state === "faulted" ? "bad" : "grey"}` }, this.say(`connector.${connector.state}`), connector.error_code ? ` · ${connector.error_code}` : null, ...this.#before(charger, connector))));
  }

  /** What the connector was before the restart that is shown. */
  #before(charger, { evse_id, connector_id }) {
    const compared = (charger.open_attempt ?? charger.last_attempt)?.connectors ?? [];
    return compared.filter((each) => each.before && each.evse_id === evse_id && each.connector_id === connector_id)
      .map((each) => make("small", {}, this.say("page.connector.before", { state: each.before })));
  }

  /** Each connector before the Reset and since. */
  compared(attempt) {
    const head = (code) => make("th", { scope: "col" }, this.say(code));
    const said = (state, error) => make("td", {}, state
      ? make("span", { class: `word tone-${state === "faulted" ? "bad" : "grey"}` }, this.say(`connector.${state}`), error && error !== "NoError" ? ` · ${error}` : null)
      : make("span", { class: "muted" }, this.say("page.compared.silent")));
    return make("table", { class: "plain compared", "data-testid": "compared", hidden: attempt.connectors.length === 0 },
      make("caption", {}, this.say("page.compared")), make("thead", {}, make("tr", {}, head("page.connectors"), head("page.compared.before"), head("page.compared.since"))),
      make("tbody", {}, ...attempt.connectors.map((each) => make("tr", {},
        make("th", { scope: "row" }, each.name ? this.say("page.connector", { name: each.name }) : this.say("page.whole_charger")),
        said(each.before, each.error_before), said(each.since, each.error_since)))));
  }

  transactions(charger) {
    return charger.transactions.map((each) => make("li", {}, make("span", {}, this.say("page.charging", { connector: each.connector, since: each.since, kwh: each.energy_kwh }))));
  }

  /** How an attempt stands, in one word. */
  result({ verdict, status }) {
    if (!verdict) return make("span", { class: "mini tone-grey" }, icon("restart-restarting"), this.say(`status.${status}`));
    return this.#ended(verdict);
  }

  /** The outcome as surely as it is known, why not, and how the charger is after it, where that is not well. */
  outcome({ verdict, cause, confidence, health }) {
    const outcome = verdict === "restarted" && (confidence === "medium" || confidence === "low") ? `${verdict}.${confidence}` : verdict;
    return this.say("outcome.word", { outcome, cause, health: health === "ok" ? null : health });
  }

  #ended(verdict) { return make("span", { class: `mini tone-${tone(verdict)}` }, icon(`verdict-${glyph(verdict)}`), make("span", {}, this.outcome(verdict))); }

  lastRestart(charger) {
    if (charger.restart.attempt_id) return [make("a", { class: "mini", href: `/restarts/${charger.restart.attempt_id}` }, icon("restart-restarting"), this.say(openWord(charger)))];
    return charger.last_verdict ? [this.#ended(charger.last_verdict)] : [];
  }
}

/**
 * How long it will usually still take: `usual` counts down to the median, `late` has passed it, `overdue` also what 95 in
 * 100 need; `checking` from when it is back; `unknown` where nothing has been learned, or nothing is under way yet.
 * @returns {{ mood: string, sentence: [string, object] | null }}
 */
export function countdown(attempt, at) {
  const { away, drop } = attempt.expected ?? {};
  const times = Object.fromEntries(attempt.timeline.filter((step) => step.at).map((step) => [step.step, Date.parse(step.at)]));
  const start = times.gone ?? times.sent;
  if (times.back) return { mood: "checking", sentence: ["wait.checking", {}] };
  if (WAITS.includes(attempt.status)) return { mood: "unknown", sentence: null };
  if (!away || start === undefined) return { mood: "unknown", sentence: null };
  const wait = (name) => (away[name] + (times.gone === undefined ? drop?.[name] ?? 0 : 0)) * 1000;
  const left = Math.ceil((start + wait("p50_s") - at) / 1000);
  const counted = { left, samples: attempt.expected.samples, p95: Math.round(wait("p95_s") / 1000) };
  if (left > 0) return { mood: "usual", sentence: ["wait.usual", counted] };
  return at < start + wait("p95_s") ? { mood: "late", sentence: ["wait.late", counted] } : { mood: "overdue", sentence: ["wait.overdue", counted] };
}
