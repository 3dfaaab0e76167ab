// Calls the portal's API: with the page's session on its own origin, with a short-lived token from anywhere else.

/** A call that the portal answered with a problem. */
export class ProblemError extends Error {
  /** @param {number} status @param {{ title?: string, detail?: string }} problem */
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    [this.status, this.problem] = [status, { status, ...problem }];
  }
}

export class PortalApi {
  #token = null;

  /** @param {string} base @param {(() => Promise<string>) | undefined} getToken @param {string} language */
  constructor(base, getToken, language) { [this.base, this.getToken, this.language] = [base, getToken, language]; }

  /** The response, whatever it says. A token that is refused is renewed once. @param {string} path @param {RequestInit} [init] */
  async call(path, init = {}) {
    const response = await this.#send(path, init);
    if (response.status !== 401 || !this.getToken) return response;
    this.#token = null;
    return this.#send(path, init);
  }

  /** @param {string} path @returns {Promise<any>} The answer. Throws ProblemError. */
  async read(path) {
    const response = await this.call(path, { cache: "no-store" });
    if (!response.ok) throw new ProblemError(response.status, await response.json().catch(() => ({})));
    return response.json();
  }

  async #send(path, init) {
    const headers = new Headers({ accept: "application/json", "accept-language": this.language, ...init.headers });
    if (this.getToken) {
      this.#token ??= await this.getToken();
      headers.set("authorization", `Bearer ${this.#token}`);
    }
    return fetch(this.base + path, { ...init, headers, credentials: this.getToken ? "omit" : "same-origin" });
  }
}
