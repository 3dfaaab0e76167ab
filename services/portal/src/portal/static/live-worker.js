// The shared worker: one live stream for all tabs of this browser, whatever their number.

import { Hub } from "./hub.js";

const hub = new Hub({ url: new URL("/api/v1/events", location.origin).href });

self.addEventListener("connect", ({ ports: [port] }) => {
  const tell = (told) => port.postMessage(told);
  port.addEventListener("message", ({ data }) => {
    if (data.do === "join") hub.join(tell, data.cursor);
    else if (data.do === "leave") { hub.leave(tell); port.close(); }
    else hub.retry();
  });
  port.start();
});
