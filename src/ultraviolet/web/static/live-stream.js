// The stream of live updates of all pages of a browser, because browsers allow six connections per host.
// It runs as a shared worker whose name is the address of the stream, or within a page.
"use strict";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 60_000;
const LONGEST_AGE_MS = 60_000;
const SILENCE_MS = 15_000; // three missed heartbeats: a hub that hangs, or a connection that ended without a word

class LiveStream {
  constructor(address) {
    this.address = address;
    this.readers = new Set();
    this.receivedAt = new Map();
    this.retryMs = FIRST_RETRY_MS;
  }

  // A reader is a function that receives {state: "connecting", "open" or "error"} and {kind}. It also receives
  // the kinds that changed after the time "since", when its page was requested.
  join(reader, since) {
    this.readers.add(reader);
    this.since = since;
    if (this.source?.readyState === EventSource.OPEN) {
      reader({ state: "open" });
      for (const [kind, at] of this.receivedAt) if (at >= since) reader({ kind });
    } else if (this.source && this.source.readyState !== EventSource.CLOSED) reader({ state: this.state });
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
    const age = Math.min(Math.max(Date.now() - this.since, 0), LONGEST_AGE_MS);
    this.source = new EventSource(`${this.address}?age=${Math.round(age)}`);
    this.source.onmessage = ({ data: kind }) => {
      this.expectMessage();
      this.receivedAt.set(kind, Date.now());
      this.tell({ kind });
    };
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
    port.onmessage = ({ data: { call, since } }) => stream[call === "join" ? "join" : "leave"](reader, since);
  });
}
