/**
 * Messages from this page that have not come back yet, in order.
 *
 * An entry is `{nonce, handle, message, state, detail}`; its state is
 *   "sending"  on its way, or waiting for a connection
 *   "waiting"  refused as too fast; sent again after a while
 *   "failed"   refused; `detail` says why. The person tries again, edits or discards it.
 *
 * It is in the tab's session storage, so a reload loses nothing. Sending is idempotent: the server
 * recognises the nonces of stored messages.
 */

import { recall, remember } from "./memory.js";

export class Outbox {
  #key;
  #entries = new Map();
  #sentAt = new Map();

  constructor(label) {
    this.#key = `chat.outbox.${label}`;
    for (const entry of recall("sessionStorage", this.#key) ?? []) {
      this.#entries.set(entry.nonce, entry);
    }
  }

  [Symbol.iterator]() {
    return this.#entries.values();
  }

  add(handle, message) {
    const isHeldUp = [...this].some((entry) => entry.state === "waiting");
    const state = isHeldUp ? "waiting" : "sending";
    const entry = { nonce: newNonce(), handle, message, state, detail: "" };
    this.#entries.set(entry.nonce, entry);
    this.#save();
    return entry;
  }

  /** The entry came back or was discarded; undefined if it is not from here. */
  remove(nonce) {
    const entry = this.#entries.get(nonce);
    this.#entries.delete(nonce);
    this.#sentAt.delete(nonce);
    if (entry) this.#save();
    return entry;
  }

  /** The server refused the entry; undefined if it is not from here. */
  refuse(nonce, code, detail) {
    const entry = this.#entries.get(nonce);
    if (!entry) return undefined;
    Object.assign(entry, { state: code === "too_fast" ? "waiting" : "failed", detail });
    this.#sentAt.delete(nonce);
    this.#save();
    return entry;
  }

  /** Send a refused entry again, under the current name. */
  retry(nonce, handle) {
    const entry = this.#entries.get(nonce);
    Object.assign(entry, { state: "sending", detail: "", handle: handle || entry.handle });
    this.#save();
    return entry;
  }

  /** Release the waiting entries, and return them. */
  release() {
    const waiting = [...this].filter((entry) => entry.state === "waiting");
    for (const entry of waiting) entry.state = "sending";
    return waiting;
  }

  /** Prepare for a new connection, which has sent nothing yet. */
  rewind() {
    this.#sentAt.clear();
  }

  /** Send the entries that this connection has not sent. */
  flush(send) {
    for (const { nonce, handle, message, state } of this) {
      if (state !== "sending" || this.#sentAt.has(nonce)) continue;
      this.#sentAt.set(nonce, performance.now());
      send({ handle, message, nonce });
    }
  }

  /** Whether an entry was sent longer ago than this and has not come back. */
  isStale(milliseconds) {
    const limit = performance.now() - milliseconds;
    return [...this.#sentAt.values()].some((moment) => moment < limit);
  }

  #save() {
    remember("sessionStorage", this.#key, [...this]);
  }
}

/** Not `crypto.randomUUID`, which plain http does not have. */
export function newNonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
