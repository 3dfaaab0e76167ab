// The server's clock, as far as this page knows it: it runs on the browser's steady clock, so that neither a wrong
// nor an adjusted clock of the reader's shows in a countdown.

let offset = Date.now() - performance.now();

/** @returns {number} The server's time now, in milliseconds since 1970. */
export const now = () => performance.now() + offset;

/** @param {string} iso The server's time as it has just said it, in ISO 8601. */
export const setServerTime = (iso) => { offset = Date.parse(iso) - performance.now(); };
