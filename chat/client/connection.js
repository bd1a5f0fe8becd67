/**
 * A WebSocket that reconnects by itself.
 *
 * It calls `onFrame(fields)` for each JSON object that arrives,
 * `onState(state)`, where `state.name` is
 *   "connecting", with `isAgain` after an earlier connection or attempt
 *   "open"
 *   "lost", with `code` (the close code) and `retryAt` (milliseconds since the page loaded). A server
 *     that shuts down sends the time to retry; otherwise it grows with each failure
 *   "closed", after `close()`
 * and `onProbe()`, which sends something that the server answers.
 */

import { on } from "./dom.js";

const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;
// A socket that lived for less counts as a failure: the delays keep growing.
const STEADY = 5_000;
// Time-outs of a probe and of a handshake. Then the socket is dead.
const PROBE = 6_000;
const HANDSHAKE = 20_000;
// The prefix of the seconds after which clients of a server that shuts down reconnect.
const RETURN = "retry-after: ";

// A monotonic clock. People and time servers may set the other one.
const life = () => performance.now();

export class Connection {
  #url;
  #onState;
  #onFrame;
  #onProbe;
  #socket = null;
  #retry = null;
  #deadline = null;
  #failures = 0;
  #openedAt = null;
  #heardAt = 0;
  #isAgain = false;

  constructor(path, { onState, onFrame, onProbe }) {
    this.#url = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${path}`;
    this.#onState = onState;
    this.#onFrame = onFrame;
    this.#onProbe = onProbe;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Milliseconds since the last frame. */
  get silence() {
    return life() - this.#heardAt;
  }

  /** Connect now, unless connected or connecting. */
  open() {
    clearTimeout(this.#retry);
    if (this.#socket) return;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#openedAt = null;
    this.#onState({ name: "connecting", isAgain: this.#isAgain });
    this.#isAgain = true;
    this.#expect(HANDSHAKE);
    on(socket, "open", () => this.#opened(socket));
    on(socket, "message", (event) => this.#received(socket, event.data));
    // The event has no details, and the close event follows it.
    on(socket, "error", () => console.warn(`The socket ${this.#url} failed.`));
    on(socket, "close", (event) => this.#ended(socket, event.code, event.reason));
  }

  send(fields) {
    this.#socket.send(JSON.stringify(fields));
  }

  /** Check whether the connection is alive. Connect if there is none. */
  probe() {
    if (!this.isOpen) return this.open();
    if (this.#deadline) return;
    this.#expect(PROBE);
    this.#onProbe();
  }

  /** Replace a socket that seems dead. */
  restart() {
    const socket = this.#socket;
    this.#ended(socket, 1006);
    socket?.close();
  }

  /** Close for good, or until `open()`. */
  close() {
    clearTimeout(this.#retry);
    this.#stopExpecting();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#onState({ name: "closed" });
  }

  #opened(socket) {
    if (socket !== this.#socket) return;
    this.#stopExpecting();
    this.#openedAt = this.#heardAt = life();
    this.#onState({ name: "open" });
  }

  #received(socket, data) {
    if (socket !== this.#socket) return;
    this.#heardAt = life();
    this.#stopExpecting();
    this.#onFrame(JSON.parse(data));
  }

  #ended(socket, code, reason = "") {
    if (!socket || socket !== this.#socket) return;
    this.#socket = null;
    this.#stopExpecting();
    if (this.#openedAt && life() - this.#openedAt > STEADY) this.#failures = 0;
    const delay = delayToldBy(reason) || delayAfter(this.#failures++);
    this.#retry = setTimeout(() => this.open(), delay);
    this.#onState({ name: "lost", code, retryAt: life() + delay });
  }

  #expect(milliseconds) {
    this.#deadline = setTimeout(() => this.restart(), milliseconds);
  }

  #stopExpecting() {
    clearTimeout(this.#deadline);
    this.#deadline = null;
  }
}

/** Backoff with jitter: after a restart the pages must not all reconnect at once. */
function delayAfter(failures) {
  const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures);
  return longest * (0.5 + Math.random() / 2);
}

/** The server's delay plus up to half of it; NaN if it sent none. */
function delayToldBy(reason) {
  return reason.split(RETURN)[1] * 1_000 * (1 + Math.random() / 2);
}
