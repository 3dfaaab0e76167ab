// Codes and parameters to sentences, from the same catalogue and by the same rules as the server (portal/words).

let templates = {};
let language = "en";
let offsetMs = 0;

/** Called by /static/words/<language>.js, which the page loads before everything else. */
export function setWords(given, catalogue) {
  language = given;
  templates = catalogue;
}

/** The server's clock: ours, corrected by what the stream says. */
export const now = () => Date.now() + offsetMs;
export const setServerTime = (iso) => { offsetMs = Date.parse(iso) - Date.now(); };

export const word = (kind, value) => templates[`${kind}.${value}`] ?? value;

/** A duration for people, from seconds. */
export function span(seconds) {
  const value = Number(seconds);
  if (Number.isNaN(value)) return String(seconds);
  if (value < 10) return `${Number(value.toFixed(1))} s`;
  const whole = Math.round(value);
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60, rest = whole % 60;
  if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  if (minutes) return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
  return `${whole} s`;
}

export const elapsed = (ms) => (ms < 1000 ? `+${ms} ms` : `+${span(ms / 1000)}`);

/** The sentence as nodes: text, and <time> elements that show the reader's own zone. */
export function say(code, params = {}) {
  const fragment = document.createDocumentFragment();
  (templates[code] ?? code).split(/\[([^\]]*)\]/).forEach((piece, place) => {
    const holes = [...piece.matchAll(/\{(\w+)(?::(\w+))?\}/g)];
    if (place % 2 === 1 && !holes.every(([, name]) => filled(params[name]))) return;
    let end = 0;
    for (const hole of holes) {
      fragment.append(piece.slice(end, hole.index), filling(params[hole[1]], hole[2]));
      end = hole.index + hole[0].length;
    }
    fragment.append(piece.slice(end));
  });
  return fragment;
}

export const sayText = (code, params) => say(code, params).textContent;

function filled(value) { return value !== undefined && value !== null && value !== ""; }

function filling(value, kind) {
  if (!filled(value)) return "";
  if (kind === undefined) return String(value);
  if (kind === "span") return span(value);
  if (kind === "time" || kind === "ago") return time(value, kind);
  return String(value).split(",").filter(Boolean).map((each) => word(kind, each)).join(word("list", "and"));
}

export function time(iso, show = "time") {
  const element = document.createElement("time");
  element.dateTime = iso;
  element.dataset.show = show;
  showTime(element);
  return element;
}

/** Shows every <time> of the page in the reader's zone, also those that the server wrote in UTC. */
export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time[data-show]")) showTime(element);
}

function showTime(element) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.getTime())) return;
  const text = element.dataset.show === "ago" ? ago(moment) : clock(moment, element.dataset.show === "datetime");
  if (element.textContent !== text) element.textContent = text;
}

function clock(moment, always) {
  const today = new Date(now()).toDateString() === moment.toDateString();
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  if (always || !today) Object.assign(options, { day: "numeric", month: "short" });
  if (new Date(now()).getFullYear() !== moment.getFullYear()) options.year = "numeric";
  return moment.toLocaleString(language, options);
}

function ago(moment) {
  const seconds = Math.round((moment.getTime() - now()) / 1000);
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const size = Math.abs(seconds);
  if (size < 60) return relative.format(Math.min(0, seconds), "second");
  if (size < 3600) return relative.format(Math.round(seconds / 60), "minute");
  if (size < 86400) return relative.format(Math.round(seconds / 3600), "hour");
  return relative.format(Math.round(seconds / 86400), "day");
}
