/** Sends the outbox of a client, and settles it by the answers of the server. */

import { pauseOf } from "./backoff.js";
import { ChannelsError } from "./errors.js";

/**
 * @typedef {object} Content what is in the outbox of a client
 * @property {any} payload
 * @property {string} [stream]
 */

/** @typedef {import("./outbox.js").Entry<Content>} Entry */

// How many entries are sent without an answer: a server remembers the latest 128 nonces of a connection.
const WINDOW = 100;

export class Delivery {
  #outbox;
  #send;
  #emit;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #hold;
  #window = WINDOW;

  /**
   * @param {import("./outbox.js").Outbox<Content>} outbox
   * @param {(frame: object) => boolean} send
   * @param {{
   *   (name: "ack", entry: Entry): void,
   *   (name: "refused" | "held", detail: {entry: Entry, error: ChannelsError}): void,
   * }} emit
   */
  constructor(outbox, send, emit) {
    this.#outbox = outbox;
    this.#send = send;
    this.#emit = emit;
  }

  flush() {
    this.#outbox.flush(
      ({ nonce, content }) => this.#outbox.unanswered.length < this.#window && this.#send({ ...content, nonce }),
    );
  }

  /** A connection is open. @param {boolean} isNew whether nothing was sent on it */
  begin(isNew) {
    if (isNew) this.#outbox.rewind();
    // A storage may have entries that were held back by an earlier page.
    if (this.#hold === undefined) this.#outbox.release();
    this.flush();
  }

  /** @param {string} nonce */
  confirm(nonce) {
    const entry = this.#outbox.remove(nonce);
    if (!entry) return;
    this.#window = WINDOW;
    this.#emit("ack", entry);
    this.flush();
  }

  /**
   * The server has closed the socket, as a frame was too large. Send one entry at a time, until it is clear which
   * that is.
   */
  refuseLargest() {
    if (this.#window === 1) {
      const [nonce] = this.#outbox.unanswered;
      if (nonce) this.refuse(nonce, new ChannelsError({ code: "too_large" }));
    }
    this.#window = 1;
  }

  /** The client is closed. */
  end() {
    clearTimeout(this.#hold);
    this.#hold = undefined;
  }

  /**
   * Returns whether it was about an entry.
   *
   * @param {string} nonce
   * @param {ChannelsError} error
   */
  refuse(nonce, error) {
    const isLater = error.code === "later";
    const entry = this.#outbox[isLater ? "holdBack" : "refuse"](nonce, error.message);
    if (!entry) return false;
    if (isLater) this.#holdFor(pauseOf(error.after));
    this.#emit(isLater ? "held" : "refused", { entry, error });
    this.flush();
    return true;
  }

  /** @param {number} milliseconds */
  #holdFor(milliseconds) {
    clearTimeout(this.#hold);
    this.#hold = setTimeout(() => {
      this.#hold = undefined;
      this.#outbox.release();
      this.flush();
    }, milliseconds);
  }
}
