/** A WebSocket that reconnects by itself. It works with any server. */

import { delayAfter, delayToldBy } from "./backoff.js";
import { Emitter } from "./emitter.js";

/**
 * @typedef {object} State
 * @property {"connecting" | "open" | "lost" | "closed"} name
 *   `lost`: it will connect again. `closed`: it will not, until `open()`
 * @property {boolean} [isAgain] connecting, after an earlier attempt or connection
 * @property {number} [code] the close code of a socket that was lost or closed
 * @property {string} [reason] the reason of its close frame
 * @property {boolean} [wasOpen] whether the lost socket had been open. If not, the handshake was refused,
 *   or no server was reached: a browser does not tell which, but `watchRefusals()` does
 * @property {boolean} [resumed] open, with the option `resume`: whether the server goes on with the connection
 *   of before. If not, this is a new one
 * @property {boolean} [gap] resumed, but frames of the server may be missing
 * @property {number} [lost] resumed, but so many sent frames did not reach the server
 * @property {number} [retryAt] when the next attempt begins, on the clock of `performance.now()`
 */

/**
 * @typedef {object} ConnectionOptions
 * @property {string[] | (() => string[] | Promise<string[]>)} [protocols] the subprotocols to offer.
 *   A function is called for each attempt
 * @property {(connection: Connection) => void} [probe] sends something that the server answers, to find
 *   out whether the connection is alive. Without it, the connection is never probed
 * @property {number[]} [finalCodes] close codes after which it does not connect again
 * @property {number} [firstDelay] milliseconds from a loss to the next attempt. The delay doubles
 *   with each failure, and half of it is random
 * @property {number} [longestDelay]
 * @property {number} [handshakeTimeout] milliseconds that a handshake may take
 * @property {number} [probeTimeout] milliseconds that the answer to a probe may take
 * @property {import("./resumption.js").Resumption} [resume] goes on with the same connection of the server after a
 *   loss, if the server can. Each connection needs its own
 * @property {typeof globalThis.WebSocket} [WebSocket] the class to use, for Node.js before 22 and for tests
 */

const DEFAULTS = {
  firstDelay: 1_000,
  longestDelay: 30_000,
  handshakeTimeout: 20_000,
  probeTimeout: 6_000,
};

// Milliseconds. A socket that lived for less counts as a failure: the delays keep growing.
const STEADY = 5_000;
// The code of a socket that ended without a close frame (RFC 6455, 7.4.1).
const ABNORMAL = 1006;
const OPEN = 1;

/** A monotonic clock in milliseconds. People and time servers may set the other one. */
const now = () => performance.now();

/** @extends {Emitter<{state: State, data: string | ArrayBuffer}>} */
export class Connection extends Emitter {
  #url;
  /** @type {ConnectionOptions & typeof DEFAULTS & {WebSocket: typeof globalThis.WebSocket}} */
  #options;
  /** @type {WebSocket | null} */
  #socket = null;
  /** Counts attempts. An attempt that waits for its subprotocols may be outdated. */
  #attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #deadline;
  #failures = 0;
  /** When the socket opened; 0 while it is not open. */
  #openedAt = 0;
  #heardAt = 0;
  /** @type {State} */
  #state = { name: "closed" };

  /**
   * @param {string | URL | (() => string | URL)} url `ws:`, `wss:`, or a path of the page's own site
   * @param {ConnectionOptions} [options]
   */
  constructor(url, options = {}) {
    super();
    this.#url = url;
    const Socket = options.WebSocket ?? globalThis.WebSocket;
    if (!Socket) throw new Error("Pass a class as the option WebSocket");
    this.#options = { ...DEFAULTS, ...options, WebSocket: Socket };
  }

  /** The state that was announced last. */
  get state() {
    return this.#state;
  }

  get isOpen() {
    return this.#openedAt > 0 && this.#socket?.readyState === OPEN;
  }

  /** Milliseconds since the last frame. */
  get silence() {
    return now() - this.#heardAt;
  }

  /** Connect now, unless it is connected or connecting. */
  open() {
    if (this.#state.name === "connecting" || this.#state.name === "open") return;
    clearTimeout(this.#retry);
    const attempt = ++this.#attempt;
    this.#announce({ name: "connecting", isAgain: attempt > 1 });
    this.#expect(this.#options.handshakeTimeout);
    const { protocols = [] } = this.#options;
    if (typeof protocols !== "function") return this.#connect(protocols);
    Promise.resolve()
      .then(protocols)
      .then(
        (chosen) => attempt === this.#attempt && this.#connect(chosen),
        (error) => attempt === this.#attempt && this.#lose(String(error)),
      );
  }

  /**
   * Send a frame.
   *
   * @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} data
   * @returns {boolean} whether there is a connection. If not, nothing is sent
   */
  send(data) {
    if (!this.isOpen) return false;
    this.#socket?.send(data);
    this.#options.resume?.keep(data);
    return true;
  }

  /**
   * Find out whether the connection is alive. Connect if there is none.
   *
   * @param {number} [milliseconds] how long the answer may take
   */
  probe(milliseconds = this.#options.probeTimeout) {
    if (!this.isOpen) return this.open();
    if (this.#deadline !== undefined || !this.#options.probe) return;
    this.#expect(milliseconds);
    this.#options.probe(this);
  }

  /** Replace a socket that seems dead. */
  restart() {
    if (this.#socket?.readyState === OPEN) this.#options.resume?.giveUp();
    const socket = this.#socket;
    this.#lose();
    socket?.close();
  }

  /**
   * Close for good, or until `open()`.
   *
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code = 1000, reason = "") {
    if (this.#state.name === "closed") return;
    this.#attempt++;
    clearTimeout(this.#retry);
    const socket = this.#detach();
    this.#options.resume?.end(1000);
    this.#announce({ name: "closed", code, reason });
    socket?.close(code, reason);
  }

  /** @param {string[]} protocols */
  #connect(protocols) {
    const url = typeof this.#url === "function" ? this.#url() : this.#url;
    const { resume } = this.#options;
    const socket = new this.#options.WebSocket(absolute(url), resume?.offer(protocols) ?? protocols);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    const on = (/** @type {string} */ type, /** @type {(event: any) => void} */ listener) =>
      socket.addEventListener(type, (event) => socket === this.#socket && listener(event));
    const opened = (/** @type {Partial<State> | undefined} */ details) => {
      this.#openedAt = this.#heard();
      this.#announce({ name: "open", ...details });
    };
    on("open", () => resume?.isAsking || opened(resume && { resumed: false }));
    on("message", ({ data }) => {
      this.#heard();
      const answer = resume?.take(data);
      if (resume && answer && !this.#openedAt) {
        for (const frame of resume.unconfirmed) socket.send(frame);
        opened(answer.state);
      }
      if (!answer?.isOwn) this.emit("data", data);
    });
    // The event has no details, and the close event follows it. Without a listener Node.js would throw.
    on("error", () => {});
    on("close", ({ code, reason }) => {
      resume?.end(code);
      if (!this.#options.finalCodes?.includes(code)) return this.#lose(reason, code);
      this.#detach();
      this.#announce({ name: "closed", code, reason });
    });
  }

  #heard() {
    this.#stopExpecting();
    return (this.#heardAt = now());
  }

  /** Wait, and connect again. */
  #lose(reason = "", code = ABNORMAL) {
    const { firstDelay, longestDelay } = this.#options;
    const wasOpen = this.#openedAt > 0;
    if (wasOpen && now() - this.#openedAt > STEADY) this.#failures = 0;
    this.#detach();
    const delay = delayToldBy(reason) ?? delayAfter(this.#failures++, firstDelay, longestDelay);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.open(), delay);
    this.#announce({ name: "lost", code, reason, wasOpen, retryAt: now() + delay });
  }

  /** Forget the socket: its later events mean nothing. Return it. */
  #detach() {
    this.#stopExpecting();
    const socket = this.#socket;
    this.#socket = null;
    this.#openedAt = 0;
    return socket;
  }

  /** @param {State} state */
  #announce(state) {
    this.#state = state;
    this.emit("state", state);
  }

  /** @param {number} milliseconds */
  #expect(milliseconds) {
    this.#deadline = setTimeout(() => this.restart(), milliseconds);
  }

  #stopExpecting() {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }
}

/**
 * The address for a WebSocket. A path belongs to the site of the page.
 *
 * @param {string | URL} url
 */
function absolute(url) {
  const found = new URL(url, globalThis.location?.href);
  found.protocol = found.protocol.replace("http", "ws");
  return found;
}
