// Draws what templates/_parts.html draws, when it changes: the same elements, classes and words.

import { elapsed, now, say, time } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const TONES = { available: "ok", connected: "ok", occupied: "info", charging: "info", updating_firmware: "info", faulted: "bad", lost: "bad" };

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function icon(name, classes = "icon") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", classes);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  return svg;
}

const said = (says) => say(says.code, says.params);

export function stateOf(charger) {
  return make("span", { class: `state tone-${TONES[charger.state] ?? "grey"}`, "data-testid": "charger-state", "data-state": charger.state },
    icon(`state-${charger.state}`), make("span", { class: "state-word" }, say(`state.${charger.state}`)));
}

export const sinceOf = (charger) => make("span", { class: "since" }, charger.since ? say("state.since", { since: charger.since }) : null);
export const reasonsOf = (blocks) => blocks.map((block) => make("li", { "data-reason": block.reason }, said(block.says)));
export const restartKind = (restart) => (restart.available ? "available" : restart.attempt_id ? "restarting" : "blocked");

export function tone(verdict) {
  if (verdict.verdict === "restarted") {
    if (verdict.health && verdict.health !== "ok") return "bad";
    return verdict.confidence === "low" || verdict.confidence === "medium" ? "warn" : "ok";
  }
  if (verdict.verdict === "not_restarted") return verdict.cause === "blip" || verdict.cause === "ignored" ? "warn" : "bad";
  return verdict.verdict === "lost" ? "bad" : "info";
}

export function glyph(verdict) {
  if (verdict.verdict === "restarted") return { medium: "ring", low: "perhaps" }[verdict.confidence] ?? "check";
  return verdict.verdict === "not_restarted" || verdict.verdict === "lost" ? "no" : "nothing";
}

/** The story of an attempt: verdict, timeline, what is waited for, evidence. */
export function storyOf(attempt, { open = false } = {}) {
  return [verdictOf(attempt), timelineOf(attempt), waitOf(attempt), evidenceOf(attempt, open)];
}

function timelineOf(attempt) {
  return make("ol", { class: "timeline", "data-testid": "timeline" }, ...attempt.timeline.map((step) => make("li", {
    class: `step mark-${step.mark}`, "data-testid": `step-${step.step}`, "data-mark": step.mark, "aria-current": step.mark === "current" ? "step" : null,
  },
  icon(`mark-${step.mark}`),
  make("span", { class: "step-word" }, said(step.says), step.mark === "note" ? null : make("span", { class: "sr-only" }, " (", say(`step.state.${step.mark}`), ")")),
  make("span", { class: "step-time" }, step.at ? time(step.at) : null),
  make("span", { class: "step-elapsed" }, step.at && step.step !== "requested" ? elapsed(step.elapsed_ms) : null))));
}

function waitOf(attempt) {
  if (attempt.ended) return make("p", { class: "wait" });
  return make("p", { class: "wait" }, make("span", { class: "wait-elapsed", "data-since": attempt.requested_at }, elapsedSince(attempt.requested_at), "."),
    attempt.deadline ? " " : null, attempt.deadline ? say("wait.deadline", { deadline: attempt.deadline }) : null);
}

/** What a running time shows; page.js calls it each second. */
export const elapsedSince = (iso) => say("wait.elapsed", { elapsed: Math.max(0, Math.round((now() - Date.parse(iso)) / 1000)) });

function verdictOf(attempt) {
  const verdict = attempt.verdict;
  if (!verdict) return make("section", { class: "verdict", "data-testid": "verdict", hidden: true });
  const sentence = make("p", { class: "verdict-sentence" });
  for (const each of verdict.says) sentence.append(said(each), " ");
  return make("section", { class: `verdict band-${tone(verdict)}`, "data-testid": "verdict", "data-verdict": verdict.verdict, "data-confidence": verdict.confidence },
    icon(`verdict-${glyph(verdict)}`, "icon verdict-icon"),
    make("div", {}, sentence,
      attempt.refusals.length ? make("ul", { class: "reasons" }, ...reasonsOf(attempt.refusals)) : null,
      make("p", { class: "verdict-more" }, make("span", { class: "chip" }, say("confidence.label", { confidence: verdict.confidence })),
        make("a", { class: "black-box", href: `/restarts/${attempt.attempt_id}` }, say("page.black_box")), ...nextOf(attempt))));
}

/** The one thing that a person would do now. */
function nextOf(attempt) {
  const next = attempt.verdict.next;
  if (next === "again" || next === "idle") return [" ", make("a", { href: `/chargers/${encodeURIComponent(attempt.charger_id)}/restart` }, say(`next.${next}`))];
  return next === "service" ? [" ", make("span", {}, say("next.service"))] : [];
}

function evidenceOf(attempt, open) {
  return make("details", { class: "evidence", "data-testid": "evidence", open, hidden: attempt.evidence.length === 0 },
    make("summary", {}, say("page.evidence"), " ", make("span", { class: "count" }, String(attempt.evidence.length))),
    make("ol", { class: "evidence-list" }, ...attempt.evidence.map((item) => make("li", { "data-kind": item.kind },
      make("span", { class: "evidence-time" }, time(item.at)),
      make("span", { class: "evidence-said" }, said(item.says), " ",
        make("span", { class: "evidence-where" }, say("evidence.position", { event_id: item.event_id, position: item.position, epoch: item.epoch })))))));
}

export function interruptsOf(charger) {
  const stopped = charger.restart.interrupts;
  if (!stopped.length) return [make("li", {}, say("modal.interrupts_nothing"))];
  return stopped.map((each) => make("li", {}, say("modal.interrupts", { connector: each.connector, kwh: each.energy_kwh, since: each.since })));
}

export function connectorsOf(charger) {
  if (!charger.connectors.length) return [make("li", { class: "muted" }, say("page.no_connectors"))];
  return charger.connectors.map((connector) => make("li", {},
    make("span", {}, connector.name ? say("page.connector", { name: connector.name }) : say("page.whole_charger")),
    make("span", { class: `word tone-${connector.state === "faulted" ? "bad" : "grey"}` }, say(`connector.${connector.state}`), connector.error_code ? ` · ${connector.error_code}` : null)));
}

export const transactionsOf = (charger) => charger.transactions.map((each) => make("li", {}, say("page.charging", { connector: each.connector, since: each.since, kwh: each.energy_kwh })));

export function lastRestartOf(charger) {
  if (charger.restart.attempt_id) return [make("a", { class: "mini", href: `/restarts/${charger.restart.attempt_id}` }, icon("restart-restarting"), say("icon.restarting"))];
  if (!charger.last_verdict) return [];
  return [make("span", { class: `mini tone-${tone(charger.last_verdict)}` }, icon(`verdict-${glyph(charger.last_verdict)}`), say(`outcome.${charger.last_verdict.verdict}`))];
}

export const part = (root, name) => root.querySelectorAll(`[data-part="${name}"]`);
export function put(root, name, ...children) { for (const element of part(root, name)) element.replaceChildren(...children.map((child) => child.cloneNode?.(true) ?? child)); }
