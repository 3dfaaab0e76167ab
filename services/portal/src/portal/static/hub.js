// One stream for many listeners, each of which joins from where it is: in the shared worker, for all tabs; else in a tab.

import { Stream } from "./stream.js";

const KEPT = 500;

/** @typedef {(told: import("./stream.js").Told) => void} Listener */
export class Hub {
  #options;
  #listeners = new Set();
  #stream = null;
  #since = 0;
  #recent = [];
  #hello = null;

  /** @param {{ url: string, getToken?: () => Promise<string> }} options */
  constructor(options) { this.#options = options; }

  get listeners() { return this.#listeners.size; }
  get state() { return this.#stream?.state ?? null; }

  /** Tells the listener what follows its cursor, or that it has to read the state again. @param {Listener} listener @param {string} cursor */
  join(listener, cursor) {
    this.#listeners.add(listener);
    if (this.#stream === null || this.#stream.state.state === "ended") { this.#open(cursor); return; }
    if (Number(cursor) < this.#since) listener({ name: "reset", detail: { why: "joined_late" }, id: null });
    else for (const told of this.#recent) if (Number(told.id) > Number(cursor)) listener(told);
    if (this.#hello) listener(this.#hello);
    listener({ name: "state", detail: this.#stream.state, id: null });
  }

  /** @param {Listener} listener */
  leave(listener) {
    this.#listeners.delete(listener);
    if (this.#listeners.size === 0) this.close();
  }

  retry() { this.#stream?.retry(); }

  close() {
    this.#stream?.close();
    this.#stream = null;
  }

  /** Goes on after a close, from where it was. */
  reopen() { if (this.#stream === null && this.#listeners.size) this.#open(String(this.#since)); }

  #open(cursor) {
    this.close();
    this.#since = Number(cursor);
    this.#recent = [];
    this.#hello = null;
    this.#stream = new Stream({ ...this.#options, cursor, tell: (told) => this.#tell(told) });
  }

  #tell(told) {
    if (told.name === "hello") this.#hello = told;
    if (told.name === "reset") [this.#recent, this.#since] = [[], Number(told.id ?? this.#since)];
    else if (told.id !== null) this.#recent.push(told);
    if (this.#recent.length > KEPT) this.#since = Number(this.#recent.shift().id);
    for (const listener of [...this.#listeners]) listener(told);
  }
}
