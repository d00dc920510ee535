// The stream of live updates of all pages of a browser, because browsers allow six connections per host.
// It runs as a shared worker whose name is the address of the stream, or within a page.
"use strict";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 60_000;
const SILENCE_MS = 15_000; // three missed heartbeats: a hub that hangs, or a connection that ended without a word

class LiveStream {
  constructor(address) {
    this.address = address;
    this.readers = new Set();
    this.kinds = new Set();
    this.retryMs = FIRST_RETRY_MS;
  }

  // A reader is a function that receives {state: "connecting", "open" or "error"} and {kind}.
  join(reader) {
    this.readers.add(reader);
    if (this.source?.readyState === EventSource.OPEN) reader({ state: "open" });
    else if (this.source && this.source.readyState !== EventSource.CLOSED) reader({ state: this.state });
    else {
      reader({ state: "connecting" });
      this.open();
    }
  }

  leave(reader) {
    this.readers.delete(reader);
    if (this.readers.size > 0) return;
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    this.source?.close();
    this.source = undefined;
  }

  listen(kind) {
    if (this.kinds.has(kind)) return;
    this.kinds.add(kind);
    if (this.source) this.forward(kind);
  }

  forward(kind) {
    this.source.addEventListener(kind, () => {
      this.expectMessage();
      this.tell({ kind });
    });
  }

  // The hub sends a message every few seconds. Without one, the stream is opened again.
  expectMessage() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.source?.close();
      this.tellState("error");
      this.open("error");
    }, SILENCE_MS);
  }

  tell(message) {
    for (const reader of this.readers) reader(message);
  }

  tellState(state) {
    this.state = state;
    this.tell({ state });
  }

  open(state = "connecting") {
    clearTimeout(this.retry);
    this.state = state;
    this.source = new EventSource(this.address);
    for (const kind of this.kinds) this.forward(kind);
    this.source.addEventListener("heartbeat", () => this.expectMessage());
    this.expectMessage(); // a hub that hangs accepts the connection and does not respond
    this.source.onopen = () => {
      this.retryMs = FIRST_RETRY_MS;
      this.tellState("open");
    };
    this.source.onerror = () => {
      this.tellState("error");
      if (this.source?.readyState !== EventSource.CLOSED) return; // the browser connects again
      this.retry = setTimeout(() => this.open(), this.retryMs);
      this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
    };
  }
}

if ("SharedWorkerGlobalScope" in self) {
  const stream = new LiveStream(self.name);
  self.addEventListener("connect", ({ ports: [port] }) => {
    const reader = (message) => port.postMessage(message);
    port.onmessage = ({ data: { call, kind } }) => {
      if (call === "listen") stream.listen(kind);
      else stream[call === "join" ? "join" : "leave"](reader);
    };
  });
}
