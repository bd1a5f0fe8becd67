/**
 * Edits and deletions from this page that the server has not confirmed.
 *
 * A change is `{nonce, type: "edit" | "delete", id, message}`. Changes are idempotent, so the rest is
 * sent again over a new connection.
 */

import { newNonce } from "./outbox.js";

export class Changes {
  #changes = new Map();
  #sentAt = new Map();

  ask(type, id, message) {
    const nonce = newNonce();
    this.#changes.set(nonce, { type, id, nonce, ...(type === "edit" && { message }) });
  }

  /** A message arrived from the room or the history. Its change may be done. */
  settle({ id, message, deleted }) {
    for (const [nonce, change] of this.#changes) {
      const isDone = deleted || (change.type === "edit" && change.message === message);
      if (change.id === id && isDone) this.remove(nonce);
    }
  }

  /** The server refused the change; undefined if it is not from here. */
  remove(nonce) {
    const change = this.#changes.get(nonce);
    this.#changes.delete(nonce);
    this.#sentAt.delete(nonce);
    return change;
  }

  /** It was too fast. The next `flush` sends it again. */
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
