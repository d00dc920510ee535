// Live updates of this page: it reads the stream of all pages of this browser while it is visible.
"use strict";

const HIDDEN_MS = 5_000; // someone who looks at another page for a moment keeps the connection
const WORKER_ANSWER_MS = 3_000;

// The stream in this page, for a browser without shared workers.
function ownStream(address, reader) {
  const stream = new LiveStream(address);
  return { join: (since) => stream.join(reader, since), leave: () => stream.leave(reader) };
}

function sharedStream(script, address, reader) {
  const worker = new SharedWorker(script, { name: address });
  const call = (name) => (since) => worker.port.postMessage({ call: name, since });
  worker.port.onmessage = ({ data }) => reader(data);
  return { worker, join: call("join"), leave: call("leave") };
}

// What the server-sent events extension of htmx uses of an EventSource. It never closes: it connects again itself.
class LiveSource extends EventTarget {
  constructor(address) {
    super();
    this.address = new URL(address, location.href).href;
    this.readyState = EventSource.CONNECTING;
    this.kinds = new Set();
    this.missed = false;
    try {
      this.stream = sharedStream(document.body.dataset.liveStream, this.address, (message) => this.read(message));
      this.stream.worker.onerror = () => this.useOwnStream();
      this.unanswered = setTimeout(() => this.useOwnStream(), WORKER_ANSWER_MS);
    } catch {
      this.stream = ownStream(this.address, (message) => this.read(message));
    }
    document.addEventListener("visibilitychange", () => this.follow());
    window.addEventListener("pagehide", () => this.pause());
    window.addEventListener("pageshow", (event) => { if (event.persisted) this.follow(); });
    this.joined = false;
    this.follow();
  }

  addEventListener(kind, listener) {
    super.addEventListener(kind, listener);
    this.kinds.add(kind);
  }

  useOwnStream() {
    clearTimeout(this.unanswered);
    if (!this.stream.worker) return;
    this.stream.leave();
    this.stream.worker.port.close();
    this.stream = ownStream(this.address, (message) => this.read(message));
    if (this.joined) this.stream.join(performance.timeOrigin);
  }

  follow() {
    clearTimeout(this.hiding);
    if (document.hidden) this.hiding = setTimeout(() => this.pause(), HIDDEN_MS);
    else if (!this.joined) {
      this.joined = true;
      // Not within the constructor: htmx then has not set its handlers.
      setTimeout(() => { if (this.joined) this.stream.join(performance.timeOrigin); });
    }
  }

  pause() {
    clearTimeout(this.unanswered);
    if (!this.joined) return;
    this.joined = false;
    this.stream.leave();
    this.read({ state: "connecting" });
    this.missed = true;
  }

  read({ kind, state }) {
    clearTimeout(this.unanswered);
    if (kind) this.dispatchEvent(new Event(kind));
    if (state === "connecting") document.dispatchEvent(new Event("live:connecting"));
    if (state === "error") {
      this.readyState = EventSource.CONNECTING;
      this.missed = true;
      this.onerror?.(new Event("error"));
    }
    if (state !== "open") return;
    this.readyState = EventSource.OPEN;
    this.onopen?.(new Event("open"));
    if (this.missed) for (const missed of this.kinds) this.dispatchEvent(new Event(missed));
    this.missed = false;
  }

  close() {
    this.pause();
  }
}

htmx.createEventSource = (address) => new LiveSource(address);
