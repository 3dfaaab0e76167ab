// One connection to the live stream: opens it, watches it, opens it again. Says "live" only while it is.

import { events } from "./sse.js";

const FIRST_BEAT_S = 10;
const GRACE_MS = 2000;
const LONGEST_MS = 30000;

/**
 * @typedef {"connecting" | "live" | "stale" | "ended"} StreamState
 * @typedef {{ name: string, detail: any, id: string | null }} Told
 */
export class Stream {
  #url;
  #getToken;
  #tell;
  #cursor;
  #token = null;
  #state = "connecting";
  #heard = Date.now();
  #beat = FIRST_BEAT_S;
  #watch = 0;
  #grace = 0;
  #tries = 0;
  #abort = null;
  #wake = () => {};
  #closed = false;
  #listening = new AbortController();

  /**
   * @param {object} options
   * @param {string} options.url Of the events.
   * @param {string} options.cursor What has been seen already.
   * @param {(told: Told) => void} options.tell
   * @param {() => Promise<string>} [options.getToken] For another origin than the portal's own, where no cookie goes along.
   */
  constructor({ url, cursor, tell, getToken }) {
    [this.#url, this.#cursor, this.#tell, this.#getToken] = [url, cursor, tell, getToken];
    const { signal } = this.#listening;
    addEventListener("online", () => this.retry(), { signal });
    addEventListener("offline", () => this.#lost(), { signal });
    this.#run();
  }

  get state() { return { state: this.#state, heardAt: new Date(this.#heard).toISOString(), offline: !navigator.onLine }; }
  get cursor() { return this.#cursor; }

  /** Opens it now, if it is not open. */
  retry() {
    if (this.#state === "live" && Date.now() - this.#heard < this.#silence) return;
    this.#abort?.abort();
    this.#wake();
  }

  close() {
    this.#closed = true;
    this.#listening.abort();
    clearTimeout(this.#watch);
    clearTimeout(this.#grace);
    this.#abort?.abort();
    this.#wake();
  }

  get #silence() { return Math.max(1000, this.#beat * 2500); }

  async #run() {
    while (!this.#closed) {
      let wait = Math.min(LONGEST_MS, 1000 * 2 ** this.#tries++) * (0.7 + 0.6 * Math.random());
      try {
        const response = await this.#open();
        if (response.ok) wait = (await this.#read(response.body)) ?? (this.#tries > 1 ? wait : 300);
        else if (response.status === 401 && this.#getToken && this.#token) { this.#token = null; wait = this.#tries > 2 ? wait : 0; }
        else if ([401, 403, 404].includes(response.status)) { this.#end(); return; }
        else if (response.status === 429) wait = 1000 * (Number(response.headers.get("retry-after")) || 10);
      } catch { /* not reachable, cut, or too long silent */ }
      if (this.#closed || this.#state === "ended") return;
      this.#lost();
      await new Promise((resolve) => { this.#wake = resolve; setTimeout(resolve, wait); });
    }
  }

  async #open() {
    const abort = this.#abort = new AbortController();
    this.#listen();
    const headers = { accept: "text/event-stream" };
    if (this.#getToken) {
      this.#token ??= await this.#getToken();
      headers.authorization = `Bearer ${this.#token}`;
    }
    const url = `${this.#url}?after=${encodeURIComponent(this.#cursor)}`;
    return fetch(url, { headers, cache: "no-store", credentials: this.#getToken ? "omit" : "same-origin", signal: abort.signal });
  }

  /** @returns {Promise<number | null>} After how many milliseconds to come back, if the server says so. */
  async #read(body) {
    let comeBack = null, missed = 0;
    for await (const { event, data, id } of events(body)) {
      this.#heard = Date.now();
      this.#listen();
      if (id !== null) this.#cursor = id;
      const detail = JSON.parse(data);
      if (event === "hello") {
        this.#tries = 0;
        this.#beat = detail.beat_s ?? FIRST_BEAT_S;
        this.#tell({ name: event, detail, id });
        missed = detail.missed ?? 0;
        if (missed === 0) this.#become("live");
      } else if (event === "bye") {
        if (detail.why !== "session_ended") comeBack = detail.retry_ms;
        else if (this.#getToken) { this.#token = null; comeBack = 0; }
        else { this.#end(); break; }
      } else {
        this.#tell({ name: event, detail, id });
        // What was missed comes first: only then is what is shown as it is now.
        if (event !== "beat" && missed > 0 && --missed === 0) this.#become("live");
      }
    }
    return comeBack;
  }

  /** From now on, silence of two and a half beats means that the line is dead. */
  #listen() {
    clearTimeout(this.#watch);
    const abort = this.#abort;
    this.#watch = setTimeout(() => { this.#lost(); abort?.abort(); this.#wake(); }, this.#silence);
  }

  #lost() {
    clearTimeout(this.#watch);
    if (!this.#grace && this.#state !== "stale") this.#grace = setTimeout(() => { this.#grace = 0; this.#become("stale"); }, GRACE_MS);
  }

  #end() {
    clearTimeout(this.#watch);
    this.#become("ended");
    this.close();
  }

  #become(state) {
    clearTimeout(this.#grace);
    this.#grace = 0;
    if (state === this.#state || this.#closed) return;
    this.#state = state;
    this.#tell({ name: "state", detail: this.state, id: null });
  }
}
