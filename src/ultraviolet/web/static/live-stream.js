// The stream of live updates of all pages of a browser, because browsers allow six connections per host.
// It runs as a shared worker whose name is the address of the stream, or within a page.
"use strict";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 60_000;

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
    this.source?.close();
    this.source = undefined;
  }

  listen(kind) {
    if (this.kinds.has(kind)) return;
    this.kinds.add(kind);
    this.source?.addEventListener(kind, () => this.tell({ kind }));
  }

  tell(message) {
    for (const reader of this.readers) reader(message);
  }

  tellState(state) {
    this.state = state;
    this.tell({ state });
  }

  open() {
    clearTimeout(this.retry);
    this.state = "connecting";
    this.source = new EventSource(this.address);
    for (const kind of this.kinds) this.source.addEventListener(kind, () => this.tell({ kind }));
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
