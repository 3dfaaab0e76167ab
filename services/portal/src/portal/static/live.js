// The live stream: one EventSource, watched. Says "live" only while it is.

const STALE_MS = 25000;
const GRACE_MS = 2000;
const LONGEST_MS = 30000;

/** Events: `charger`, `attempt`, `verdict` with their data as `detail`; `reset` (read the state again); `state`. */
export class Live extends EventTarget {
  #cursor;
  #source = null;
  #state = "connecting";
  #watch = 0;
  #grace = 0;
  #retry = 0;
  #tries = 0;
  #heard = Date.now();
  #opened = 0;

  constructor(cursor) {
    super();
    this.#cursor = cursor;
    addEventListener("online", () => this.#again(0));
    addEventListener("offline", () => this.#lost());
    addEventListener("pageshow", (event) => { if (event.persisted) this.#again(0); });
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#close() : this.#again(0)));
    this.#open();
  }

  get state() { return this.#state; }

  /** When the server was last heard, as ISO 8601. */
  get heardAt() { return new Date(this.#heard).toISOString(); }

  #open() {
    this.#close();
    if (document.hidden || this.#state === "ended") return;
    this.#opened = Date.now();
    const source = new EventSource(`/api/v1/events?after=${encodeURIComponent(this.#cursor)}`);
    this.#source = source;
    const on = (name, handle) => source.addEventListener(name, (event) => {
      if (source !== this.#source) return;
      this.#alive();
      if (event.lastEventId) this.#cursor = event.lastEventId;
      handle(event.data ? JSON.parse(event.data) : {});
    });
    on("hello", (data) => { this.#tries = 0; this.#tell("hello", data); this.#become("live"); });
    on("beat", (data) => this.#tell("beat", data));
    for (const name of ["charger", "attempt", "verdict", "reset"]) on(name, (data) => this.#tell(name, data));
    on("bye", (data) => {
      this.#close();
      if (data.why === "session_ended") this.#become("ended");
      else { this.#lost(); this.#again(data.retry_ms); }
    });
    source.onerror = () => {
      if (source !== this.#source) return;
      this.#lost();
      if (source.readyState === EventSource.CLOSED) this.#ask();
    };
    this.#watch = setInterval(() => { if (Date.now() - Math.max(this.#heard, this.#opened) > STALE_MS) { this.#lost(); this.#again(0); } }, 5000);
  }

  /** The browser gave up, which it does on any answer but 200: find out why. */
  async #ask() {
    this.#close();
    try {
      const response = await fetch("/api/v1/me", { cache: "no-store" });
      if (response.status === 401) { this.#become("ended"); return; }
    } catch { /* not reachable: try again below */ }
    this.#again(Math.min(LONGEST_MS, 1000 * 2 ** this.#tries++) * (0.7 + 0.6 * Math.random()));
  }

  #again(delay) {
    clearTimeout(this.#retry);
    if (this.#state !== "ended") this.#retry = setTimeout(() => this.#open(), delay);
  }

  #close() {
    clearInterval(this.#watch);
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  #alive() {
    this.#heard = Date.now();
    clearTimeout(this.#grace);
    this.#grace = 0;
    if (this.#state === "stale") this.#become("live");
  }

  #lost() {
    if (!this.#grace && this.#state !== "stale") this.#grace = setTimeout(() => { this.#grace = 0; this.#become("stale"); }, GRACE_MS);
  }

  #become(state) {
    if (state === this.#state || this.#state === "ended") return;
    const before = this.#state;
    this.#state = state;
    this.#tell("state", { state, before });
  }

  #tell(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }
}
