/**
 * A WebSocket that comes back by itself.
 *
 * Tells what happens by functions: `onFrame(fields)` for each JSON object that arrives,
 * `onState(state)`, where `state.name` is
 *   "connecting", with `isAgain` if there was a connection before, or a try
 *   "open"
 *   "lost", with `code` (the socket's closing code) and `retryAt` (milliseconds of the page's life),
 *     which is what a server that stops has told, or else later with each failure
 *   "closed", after `close()`
 * and `onProbe()`, which sends something that the server answers.
 */

import { on } from "./dom.js";

const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;
// A socket that lived for less than this was no success: the delays go on growing.
const STEADY = 5_000;
// Within these times a probe is answered and a handshake done, or the socket is dead.
const PROBE = 6_000;
const HANDSHAKE = 20_000;
// Before the seconds after which a server that stops wants us back.
const RETURN = "retry-after: ";

// The life of the page, not the clock on the wall, which a person or a time server may set.
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

  /** For how many milliseconds nothing has come. */
  get silence() {
    return life() - this.#heardAt;
  }

  /** Connect now, unless that is done or under way. */
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
    // Of an error a page learns nothing, and the close event follows it.
    on(socket, "error", () => console.warn(`The socket ${this.#url} failed.`));
    on(socket, "close", (event) => this.#ended(socket, event.code, event.reason));
  }

  send(fields) {
    this.#socket.send(JSON.stringify(fields));
  }

  /** Find out whether the connection is alive; make one if there is none. */
  probe() {
    if (!this.isOpen) return this.open();
    if (this.#deadline) return;
    this.#expect(PROBE);
    this.#onProbe();
  }

  /** Give up a socket that seems dead, and make another. */
  restart() {
    const socket = this.#socket;
    this.#ended(socket, 1006);
    socket?.close();
  }

  /** Leave for good, or until `open()`. */
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

/** Growing, and different for each page: after a restart they must not all come at once. */
function delayAfter(failures) {
  const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures);
  return longest * (0.5 + Math.random() / 2);
}

/** As long as the server said, or up to half as long again; NaN if it said nothing. */
function delayToldBy(reason) {
  return reason.split(RETURN)[1] * 1_000 * (1 + Math.random() / 2);
}
