/**
 * A WebSocket that comes back by itself.
 *
 * Tells what happens by two functions: `onFrame(fields)` for each JSON object that arrives, and
 * `onState(state)`, where `state.name` is
 *   "connecting"
 *   "open"
 *   "lost", with `code` (the socket's closing code) and `retryAt` (milliseconds as of Date.now())
 *   "closed", after `close()`.
 */

const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;
// A socket that lived for less than this was no success: the delays go on growing.
const STEADY = 5_000;

export class Connection {
  #url;
  #onState;
  #onFrame;
  #socket = null;
  #timer = null;
  #failures = 0;
  #openedAt = null;

  constructor(url, { onState, onFrame }) {
    this.#url = url;
    this.#onState = onState;
    this.#onFrame = onFrame;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Connect now, unless that is done or under way. */
  open() {
    clearTimeout(this.#timer);
    if (this.#socket) return;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#openedAt = null;
    this.#onState({ name: "connecting" });
    socket.addEventListener("open", () => this.#opened(socket));
    socket.addEventListener("message", (event) => this.#received(socket, event.data));
    // Of an error a page learns nothing, and the close event follows it.
    socket.addEventListener("error", () => console.warn(`The socket ${this.#url} failed.`));
    socket.addEventListener("close", (event) => this.#ended(socket, event.code));
  }

  send(fields) {
    this.#socket.send(JSON.stringify(fields));
  }

  /** Give up a socket that seems dead and make another. */
  restart() {
    const socket = this.#socket;
    this.#ended(socket, 1006);
    socket?.close();
  }

  /** Leave for good, or until `open()`. */
  close() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#onState({ name: "closed" });
  }

  #opened(socket) {
    if (socket !== this.#socket) return;
    this.#openedAt = Date.now();
    this.#onState({ name: "open" });
  }

  #received(socket, data) {
    if (socket !== this.#socket) return;
    this.#onFrame(JSON.parse(data));
  }

  #ended(socket, code) {
    if (!socket || socket !== this.#socket) return;
    this.#socket = null;
    if (this.#openedAt && Date.now() - this.#openedAt > STEADY) this.#failures = 0;
    const delay = delayAfter(this.#failures++);
    this.#timer = setTimeout(() => this.open(), delay);
    this.#onState({ name: "lost", code, retryAt: Date.now() + delay });
  }
}

/** Growing, and different for each page: after a restart they must not all come at once. */
function delayAfter(failures) {
  const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures);
  return longest * (0.5 + Math.random() / 2);
}
