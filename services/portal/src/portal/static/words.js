// Codes and parameters to sentences, from the same catalogues and by the same rules as the server (portal/words).

import { now } from "./clock.js";

const LANGUAGES = ["en", "es"];
const BIDI = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufefc]/;
const loaded = new Map();

/**
 * The words in the language asked for, or in English where there is no such catalogue.
 * @param {string} [language] A language tag, such as `es` or `es-MX`.
 * @returns {Promise<Words>}
 */
export function wordsFor(language = "en") {
  const known = LANGUAGES.includes(language.split("-")[0].toLowerCase()) ? language.split("-")[0].toLowerCase() : "en";
  if (!loaded.has(known)) {
    loaded.set(known, import(`./words/${known}.js`).then((module) => new Words(known, module.default)));
    loaded.get(known).catch(() => loaded.delete(known));
  }
  return loaded.get(known);
}

/** The words of one language. */
export class Words {
  /** Of the page's language, the reader's own kind, by which days and months are ordered. */
  #locale;

  /** @param {string} language @param {Record<string, string>} templates */
  constructor(language, templates) {
    this.language = language;
    this.#locale = navigator.languages?.find((each) => each.split("-")[0].toLowerCase() === language) ?? language;
    this.templates = templates;
  }

  /** The word for a value of a closed vocabulary, or the value itself. @param {string} kind @param {string} value */
  word(kind, value) { return this.templates[`${kind}.${value}`] ?? value; }

  /**
   * The sentence as nodes: text, and <time> elements that show the reader's own zone.
   * @param {string} code
   * @param {Record<string, unknown>} [params]
   */
  say(code, params = {}) {
    const fragment = document.createDocumentFragment();
    (this.templates[code] ?? code).split(/\[([^\]]*)\]/).forEach((piece, place) => {
      const holes = [...piece.matchAll(/\{(\w+)(?::(\w+))?\}/g)];
      if (place % 2 === 1 && !holes.every(([, name]) => filled(params[name]))) return;
      let end = 0;
      for (const hole of holes) {
        fragment.append(piece.slice(end, hole.index), this.#filling(params[hole[1]], hole[2]));
        end = hole.index + hole[0].length;
      }
      fragment.append(piece.slice(end));
    });
    return fragment;
  }

  /** @param {string} code @param {Record<string, unknown>} [params] @returns {string} The sentence as plain text. */
  text(code, params) { return this.say(code, params).textContent; }

  /** A number, or a duration, with the decimal sign of the language. @param {string} text */
  number(text) { return text.replaceAll(".", this.templates["number.decimal"] ?? "."); }

  #filling(value, kind) {
    if (!filled(value)) return "";
    if (kind === undefined) return isolated(String(value));
    if (kind === "span") return this.number(span(value));
    if (kind === "number") return this.number(String(value));
    if (kind === "time" || kind === "ago") return this.time(value, kind);
    if (kind === "each") return String(value).split(", ").filter(Boolean).map((item) => this.#each(item)).join(", ");
    return String(value).split(",").filter(Boolean).map((each) => this.word(kind, each)).join(this.word("list", "and"));
  }

  /** A connector with a word: `1/1 faulted`. */
  #each(item) {
    const [where, evse, connector, word] = item.match(/^(\d+)\/(\d+)(?: (.*))?$/) ?? [];
    if (where === undefined) return item;
    const name = connectorName(Number(evse), Number(connector));
    return this.text(`each.${name ? "connector" : "charger"}${word ? "" : ".alone"}`, { name, word });
  }

  /** @param {string} iso @param {"time" | "ago" | "datetime"} [show] */
  time(iso, show = "time") {
    const element = document.createElement("time");
    element.dateTime = iso;
    element.dataset.show = show;
    this.#show(element);
    return element;
  }

  /** Shows every <time> in the reader's zone, also those that the server wrote in UTC. @param {ParentNode} root */
  showTimes(root, which = "time[data-show]") { for (const element of root.querySelectorAll(which)) this.#show(element); }

  #show(element) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) return;
    const text = element.dataset.show === "ago" ? this.#ago(moment) : this.#clock(moment, element.dataset.show === "datetime");
    if (element.textContent !== text) element.textContent = text;
  }

  #clock(moment, always) {
    const today = new Date(now());
    const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    if (always || today.toDateString() !== moment.toDateString()) Object.assign(options, { day: "numeric", month: "short" });
    if (today.getFullYear() !== moment.getFullYear()) options.year = "numeric";
    return moment.toLocaleString(this.#locale, options);
  }

  #ago(moment) {
    const seconds = Math.round((moment.getTime() - now()) / 1000);
    const relative = new Intl.RelativeTimeFormat(this.language, { numeric: "auto" });
    const size = Math.abs(seconds);
    if (size < 60) return relative.format(Math.min(0, seconds), "second");
    if (size < 3600) return relative.format(Math.round(seconds / 60), "minute");
    if (size < 86400) return relative.format(Math.round(seconds / 3600), "hour");
    return relative.format(Math.round(seconds / 86400), "day");
  }
}

/** As `connector_name` in portal/words. */
const connectorName = (evse, connector) => (!evse ? (connector ? String(connector) : null) : connector === 1 ? String(evse) : `${evse}.${connector}`);

/** A duration for people. @param {number | string} seconds */
export function span(seconds) {
  const value = Number(seconds);
  if (Number.isNaN(value)) return String(seconds);
  if (value < 10) return `${Math.floor(value * 10 + 0.5) / 10} s`;
  const whole = Math.round(value);
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60, rest = whole % 60;
  if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  if (minutes) return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
  return `${whole} s`;
}

/** A time since the request. @param {number} ms */
export const elapsed = (ms) => (ms < 1000 ? `+${ms} ms` : `+${span(ms / 1000)}`);

function filled(value) { return value !== undefined && value !== null && value !== ""; }

/** Text of the other writing direction keeps its own order and does not turn that of the sentence. */
function isolated(text) {
  if (!BIDI.test(text)) return text;
  const element = document.createElement("bdi");
  element.textContent = text;
  return element;
}
