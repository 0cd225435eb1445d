// The live stream: server-sent events, kept open for months, resumed with Last-Event-ID by the browser itself.

const SILENCE_MS = 30000;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 15000;

/**
 * Keeps one EventSource open. The browser resumes after a broken connection; this adds what it does not do:
 * a retry with growing pauses after the server refused, and a new connection when an open one has gone dead.
 */
export class Live {
  constructor(url, { onSnapshot, onVitals, onConnection }) {
    this.url = url;
    this.handlers = { snapshot: onSnapshot, vitals: onVitals };
    this.onConnection = onConnection;
    this.retryMs = FIRST_RETRY_MS;
    this.heardAt = performance.now();
    this.source = null;
    this.retryTimer = null;
  }

  /** Ask for other areas from now on; the new stream begins with a snapshot of them. */
  turnTo(url) {
    if (url === this.url) return;
    this.url = url;
    this.open();
  }

  open() {
    this.close();
    this.heardAt = performance.now();
    this.source = new EventSource(this.url);
    this.source.addEventListener("open", () => {
      this.retryMs = FIRST_RETRY_MS;
      this.onConnection(true);
    });
    this.source.addEventListener("error", () => this.failed());
    for (const [name, handle] of Object.entries(this.handlers)) {
      this.source.addEventListener(name, (event) => {
        this.heardAt = performance.now();
        handle(JSON.parse(event.data));
      });
    }
  }

  close() {
    clearTimeout(this.retryTimer);
    this.retryTimer = null;
    this.source?.close();
    this.source = null;
  }

  failed() {
    this.onConnection(false);
    if (this.source?.readyState !== EventSource.CLOSED || this.retryTimer !== null) return;
    this.retryTimer = setTimeout(() => this.open(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
  }

  /** To be called now and then: replaces a connection that looks open but has said nothing for long. */
  watch() {
    if (this.retryTimer === null && performance.now() - this.heardAt > SILENCE_MS) this.open();
  }
}
