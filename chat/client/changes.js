/**
 * Edits and deletions that were asked for here and are not known to be done.
 *
 * A change is `{nonce, type: "edit" | "delete", id, message}`. To ask twice is safe, so all that are
 * left are sent again over a new connection.
 */

import { newNonce } from "./outbox.js";

export class Changes {
  #changes = new Map();
  #sentAt = new Map();

  ask(type, id, message) {
    const nonce = newNonce();
    this.#changes.set(nonce, { type, id, nonce, ...(type === "edit" && { message }) });
  }

  /** The room, or the history, told of a message: what was asked of it may be done. */
  settle({ id, message, deleted }) {
    for (const [nonce, change] of this.#changes) {
      const isDone = deleted || (change.type === "edit" && change.message === message);
      if (change.id === id && isDone) this.remove(nonce);
    }
  }

  /** The change was refused; undefined if it is not from here. */
  remove(nonce) {
    const change = this.#changes.get(nonce);
    this.#changes.delete(nonce);
    this.#sentAt.delete(nonce);
    return change;
  }

  /** It was too fast: let it go again with the next `flush`. */
  hold(nonce) {
    return this.#changes.has(nonce) && this.#sentAt.delete(nonce);
  }

  rewind() {
    this.#sentAt.clear();
  }

  flush(send) {
    for (const [nonce, change] of this.#changes) {
      if (this.#sentAt.has(nonce)) continue;
      this.#sentAt.set(nonce, performance.now());
      send(change);
    }
  }

  isStale(milliseconds) {
    const limit = performance.now() - milliseconds;
    return [...this.#sentAt.values()].some((moment) => moment < limit);
  }
}
