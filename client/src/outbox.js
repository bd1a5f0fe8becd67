/**
 * What this client has sent and the server has not confirmed yet, in order.
 *
 * Entries outlive a lost connection and, with a storage, a reload of the page. Each has a nonce, by which
 * the server recognises one that it has already taken.
 */

/**
 * @template Content
 * @typedef {object} Entry
 * @property {string} nonce unique among all clients
 * @property {Content} content what to send
 * @property {"sending" | "waiting" | "failed"} state `sending`: on its way, or it waits for a connection.
 *   `waiting`: held back for a while. `failed`: refused, until `retry()`
 * @property {string} [detail] why it was refused
 */

/** @template Content */
export class Outbox {
  /** @type {Map<string, Entry<Content>>} */
  #entries = new Map();
  /** @type {Map<string, number>} */
  #sentAt = new Map();
  /** @type {Storage | undefined} */
  #storage;
  #key;

  /**
   * @param {object} [options]
   * @param {Storage} [options.storage] such as `sessionStorage`, which a reload of the page keeps
   * @param {string} [options.key] the name of its entry in the storage
   */
  constructor({ storage, key = "channels-workers.outbox" } = {}) {
    this.#storage = storage;
    this.#key = key;
    for (const entry of recalled(storage, key)) this.#entries.set(entry.nonce, entry);
  }

  [Symbol.iterator]() {
    return this.#entries.values();
  }

  get size() {
    return this.#entries.size;
  }

  /** The nonces of the entries that this connection has sent, without an answer yet. */
  get unanswered() {
    return [...this.#sentAt.keys()];
  }

  /**
   * Take `content`. It waits behind an entry that is held back, so that the order stays.
   *
   * @param {Content} content
   * @returns {Entry<Content>}
   */
  add(content) {
    /** @type {Entry<Content>} */
    const entry = { nonce: newNonce(), content, state: "sending" };
    if ([...this].some(({ state }) => state === "waiting")) entry.state = "waiting";
    this.#entries.set(entry.nonce, entry);
    this.#save();
    return entry;
  }

  /**
   * The server has taken the entry, or it was discarded. Returns it, if it is one of these.
   *
   * @param {string} nonce
   */
  remove(nonce) {
    const entry = this.#entries.get(nonce);
    this.#entries.delete(nonce);
    this.#sentAt.delete(nonce);
    if (entry) this.#save();
    return entry;
  }

  /**
   * The server has refused the entry.
   *
   * @param {string} nonce
   * @param {string} detail
   */
  refuse(nonce, detail) {
    return this.#change(nonce, { state: "failed", detail });
  }

  /**
   * The server wants the entry later. It is held back, and so are the entries after it.
   *
   * @param {string} nonce
   * @param {string} detail
   */
  holdBack(nonce, detail) {
    const found = this.#entries.get(nonce);
    if (!found) return undefined;
    let isAfter = false;
    for (const entry of this) {
      isAfter ||= entry === found;
      if (isAfter && entry.state === "sending") {
        entry.state = "waiting";
        this.#sentAt.delete(entry.nonce);
      }
    }
    return this.#change(nonce, { state: "waiting", detail });
  }

  /** Send what was held back. Returns these entries. */
  release() {
    const waiting = [...this].filter((entry) => entry.state === "waiting");
    for (const entry of waiting) entry.state = "sending";
    if (waiting.length) this.#save();
    return waiting;
  }

  /**
   * Send a refused entry again, with other content if it is given.
   *
   * @param {string} nonce
   * @param {Content} [content]
   */
  retry(nonce, content) {
    const changes = { state: /** @type {const} */ ("sending"), detail: "" };
    return this.#change(nonce, content === undefined ? changes : { ...changes, content });
  }

  /** Begin with a new connection, on which nothing was sent. */
  rewind() {
    this.#sentAt.clear();
  }

  /**
   * Send the entries that this connection has not sent.
   *
   * @param {(entry: Entry<Content>) => boolean | void} send returns false if there is no connection
   */
  flush(send) {
    for (const entry of this) {
      if (entry.state !== "sending" || this.#sentAt.has(entry.nonce)) continue;
      if (send(entry) === false) return;
      this.#sentAt.set(entry.nonce, performance.now());
    }
  }

  /**
   * Whether an entry was sent so long ago, and the server has not answered.
   *
   * @param {number} milliseconds
   */
  isStale(milliseconds) {
    const limit = performance.now() - milliseconds;
    return [...this.#sentAt.values()].some((moment) => moment < limit);
  }

  /**
   * @param {string} nonce
   * @param {Partial<Entry<Content>>} changes
   */
  #change(nonce, changes) {
    const entry = this.#entries.get(nonce);
    if (!entry) return undefined;
    Object.assign(entry, changes);
    this.#sentAt.delete(nonce);
    this.#save();
    return entry;
  }

  #save() {
    try {
      this.#storage?.setItem(this.#key, JSON.stringify([...this]));
    } catch {
      // The storage is full or forbidden: entries live as long as the page.
    }
  }
}

/** A text that no other client makes. Not `crypto.randomUUID`, which pages over plain http do not have. */
export function newNonce() {
  return Array.from(crypto.getRandomValues(new Uint32Array(5)), (each) => each.toString(36)).join("-");
}

/**
 * @param {Storage | undefined} storage
 * @param {string} key
 * @returns {Entry<any>[]}
 */
function recalled(storage, key) {
  try {
    const found = JSON.parse(storage?.getItem(key) ?? "[]");
    return Array.isArray(found) ? found.filter((entry) => typeof entry?.nonce === "string") : [];
  } catch {
    return [];
  }
}
