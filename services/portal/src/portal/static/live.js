// What a page and its components hear of the live stream: through the shared worker where there is one, else directly.

import { setServerTime } from "./clock.js";
import { Hub } from "./hub.js";

const NAMES = ["hello", "charger", "attempt", "verdict", "reset", "state", "beat"];
/** The worker says nothing for so long: it has been killed, or this tab was frozen. */
const WORKER_SILENT_BEATS = 4;

/** @type {Map<string, Source>} */
const sources = new Map();

/**
 * Follows the stream from a cursor on, as `charger`, `attempt`, `verdict` with their data as `detail`; `reset` (read the
 * state again); `state`. Whoever follows leaves at the end; with the last one the stream is closed.
 */
export class Live extends EventTarget {
  #source;
  #listener;
  #state = { state: "connecting", heardAt: new Date().toISOString(), offline: false };

  /**
   * @param {object} options
   * @param {string} options.base The portal's address.
   * @param {string | number} options.cursor
   * @param {string} [options.user] Whose session it is; another person's is another stream.
   * @param {() => Promise<string>} [options.getToken]
   */
  constructor({ base, cursor, user = "", getToken }) {
    super();
    const key = getToken ? getToken : `${base}\n${user}`;
    if (!sources.has(key)) sources.set(key, new Source(base, user, getToken, () => sources.delete(key)));
    this.#source = sources.get(key);
    this.#listener = (told) => {
      if (told.name === "state") this.#state = told.detail;
      this.dispatchEvent(new CustomEvent(told.name, { detail: told.detail }));
    };
    this.#source.join(this.#listener, String(cursor));
  }

  /** @returns {"connecting" | "live" | "stale" | "ended" | "paused"} */
  get state() { return this.#state.state; }
  /** When the server was last heard, in ISO 8601. */
  get heardAt() { return this.#state.heardAt; }
  get offline() { return this.#state.offline; }

  leave() { this.#source.leave(this.#listener); }
}

/** All streams of this page rest until `resume`. */
export const pause = () => { for (const source of sources.values()) source.pause(); };
export const resume = () => { for (const source of sources.values()) source.resume(); };

/** One stream as this page hears it. */
class Source {
  #hub;
  #port = null;
  #user;
  #gone;
  #listeners = new Set();
  #cursor = "0";
  #state = null;
  #hello = null;
  #beat = 10;
  #heard = Date.now();
  #paused = false;
  #watch = 0;
  #leaving = new AbortController();

  constructor(base, user, getToken, gone) {
    [this.#user, this.#gone] = [user, gone];
    const own = base === location.origin && !getToken;
    this.#hub = own && shareable() ? null : new Hub({ url: `${base}/api/v1/events`, getToken });
    const { signal } = this.#leaving;
    addEventListener("pagehide", () => this.#disconnect(), { signal });
    addEventListener("pageshow", (event) => { if (event.persisted) this.#connect(); }, { signal });
    addEventListener("online", () => this.#retry(), { signal });
    document.addEventListener("visibilitychange", () => this.#visibility(), { signal });
  }

  join(listener, cursor) {
    const first = this.#listeners.size === 0;
    this.#listeners.add(listener);
    if (first) { this.#cursor = cursor; this.#connect(); return; }
    if (Number(cursor) < Number(this.#cursor)) queueMicrotask(() => listener({ name: "reset", detail: { why: "joined_late" }, id: null }));
    const now = this.#state;
    if (now) queueMicrotask(() => listener({ name: "state", detail: now, id: null }));
  }

  leave(listener) {
    this.#listeners.delete(listener);
    if (this.#listeners.size) return;
    this.#disconnect();
    this.#leaving.abort();
    this.#gone();
  }

  pause() {
    this.#paused = true;
    this.#disconnect();
    this.#tell({ name: "state", detail: { state: "paused", heardAt: new Date(this.#heard).toISOString(), offline: false }, id: null });
  }

  resume() {
    this.#paused = false;
    this.#tell({ name: "state", detail: { state: "connecting", heardAt: new Date(this.#heard).toISOString(), offline: false }, id: null });
    this.#connect();
  }

  #connect() {
    if (this.#paused) return;
    this.#heard = Date.now();
    if (this.#hub) {
      if (!document.hidden) this.#hub.join(this.#tell, this.#cursor);
      return;
    }
    this.#port?.postMessage({ do: "leave" });
    this.#port = worker(this.#user);
    this.#port.addEventListener("message", ({ data }) => { if (!this.#paused) this.#tell(data); });
    this.#port.start();
    this.#port.postMessage({ do: "join", cursor: this.#cursor });
    clearInterval(this.#watch);
    this.#watch = setInterval(() => this.#check(), 1000);
  }

  #disconnect() {
    clearInterval(this.#watch);
    this.#hub?.leave(this.#tell);
    this.#port?.postMessage({ do: "leave" });
    this.#port = null;
  }

  /** Without a worker, a tab that nobody sees holds no stream. */
  #visibility() {
    if (this.#paused) return;
    if (this.#hub) { if (document.hidden) this.#disconnect(); else this.#connect(); }
    else if (!document.hidden) { this.#check(); this.#retry(); }
  }

  #check() {
    if (this.#state?.state !== "live" || Date.now() - this.#heard < this.#beat * 1000 * WORKER_SILENT_BEATS + 1000) return;
    this.#tell({ name: "state", detail: { state: "stale", heardAt: new Date(this.#heard).toISOString(), offline: !navigator.onLine }, id: null });
    this.#connect();
  }

  #retry() {
    this.#hub?.retry();
    this.#port?.postMessage({ do: "retry" });
  }

  #tell = (told) => {
    if (told.name !== "state") this.#heard = Date.now();
    if (told.id !== null) {
      if (Number(told.id) <= Number(this.#cursor) && told.name !== "reset") return;
      this.#cursor = told.id;
    }
    if (told.name === "hello") this.#beat = told.detail.beat_s ?? this.#beat;
    if (told.name === "beat") setServerTime(told.detail.server_time);
    if (told.name === "state") this.#state = told.detail;
    if (NAMES.includes(told.name)) for (const listener of [...this.#listeners]) listener(told);
  };
}

const shareable = () => typeof SharedWorker === "function";

const workerUrl = () => new URL("./live-worker.js", import.meta.url).href;
let policy;

function worker(user) {
  policy ??= globalThis.trustedTypes?.createPolicy("comeback", { createScriptURL: (url) => (url === workerUrl() ? url : "about:invalid") });
  const url = policy ? policy.createScriptURL(workerUrl()) : workerUrl();
  return new SharedWorker(url, { type: "module", name: `comeback ${user} ${document.body.dataset.build ?? ""}` }).port;
}
