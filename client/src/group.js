/** A group that this client has joined, and the position up to which it has the messages. */

import { pauseOf } from "./backoff.js";
import { Emitter } from "./emitter.js";

/**
 * @template [Payload=any]
 * @typedef {object} Message
 * @property {Payload} payload
 * @property {string} [stream]
 * @property {string} [group] the group that it was sent to
 * @property {string} [at] its position in the history of the group
 */

/**
 * @typedef {object} JoinOptions
 * @property {string} [since] the position after which messages are wanted. Without it, only new ones come
 * @property {Storage} [storage] keeps the position, such as `sessionStorage`, which a reload of the page keeps
 * @property {string} [key] the name of its entry in the storage
 */

/**
 * @typedef {object} Link how a group reaches its client
 * @property {(question: Omit<import("./requests.js").Question, "isSent">) => void} ask
 * @property {(error: import("./errors.js").ChannelsError) => void} onError
 * @property {() => void} onRetry
 * @property {() => void} onLeave
 * @property {() => void} onAlias after an answer: the name in messages is known
 */

/**
 * What a page has of a group. The other methods are for its client.
 *
 * @template [Payload=any]
 * @typedef {Pick<Group<Payload>, "name" | "at" | "leave" | "on">} JoinedGroup
 */

/**
 * @template [Payload=any]
 * @extends {Emitter<{
 *   message: Message<Payload>,
 *   joined: {at?: string, gap: boolean},
 *   gap: {at?: string},
 *   error: import("./errors.js").ChannelsError,
 * }>}
 */
export class Group extends Emitter {
  #name;
  #link;
  #storage;
  #key;
  /** @type {string | undefined} */
  #at;
  #hasJoined = false;
  /** @type {"new" | "leaving" | "asked" | "joined"} */
  #state = "new";
  #alias = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;

  /**
   * @param {string} name
   * @param {JoinOptions} options
   * @param {Link} link
   */
  constructor(name, { since, storage, key = `channels-workers.at.${name}` }, link) {
    super();
    this.#name = name;
    this.#link = link;
    this.#storage = storage;
    this.#key = key;
    this.#at = since ?? this.#recalled();
  }

  get name() {
    return this.#name;
  }

  /** The position of the newest message that came; `undefined` if the group has no history. */
  get at() {
    return this.#at;
  }

  /** Leave the group, and forget its position. */
  leave() {
    this.lose();
    this.#store((storage) => storage.removeItem(this.#key));
    this.#link.onLeave();
  }

  /** The name of the group in its messages, which the server may have chosen. */
  get alias() {
    return this.#alias || this.#name;
  }

  get isAsked() {
    return this.#state === "asked";
  }

  /** The connection that has joined is gone. */
  lose() {
    clearTimeout(this.#retry);
    this.#state = "new";
  }

  /** Join, unless this connection has. */
  join() {
    if (this.#state !== "new") return;
    this.#state = "asked";
    const since = this.#at;
    this.#link.ask({
      frame: { type: "join", group: this.#name, since },
      onAnswer: (answer) => this.#joined(answer, since),
      onError: (error) => this.#refused(error),
    });
  }

  /**
   * Join again on a connection that has joined, and has lost messages. It repeats none to a member, so leave first.
   * Messages that come until then will be repeated.
   */
  rejoin() {
    this.lose();
    this.#state = "leaving";
    const onAnswer = () => {
      if (this.#state !== "leaving") return;
      this.#state = "new";
      this.join();
    };
    this.#link.ask({ frame: { type: "leave", group: this.#name }, onAnswer, onError() {} });
  }

  /**
   * Take a message of the group. Returns whether it counts.
   *
   * @param {Message<Payload>} message
   */
  take(message) {
    if (this.#state === "new" || this.#state === "leaving") return false;
    const { at } = message;
    const [epoch, offset] = String(at ?? "").split(":");
    const [lastEpoch, lastOffset] = (this.#at ?? "").split(":");
    // The history has begun anew, and messages of before may be missing. After a join its answer says so.
    if (at && lastEpoch && epoch !== lastEpoch && !this.isAsked) this.emit("gap", { at });
    this.emit("message", message);
    if (epoch !== lastEpoch || +offset > +lastOffset) this.#move(at);
    return true;
  }

  /**
   * The messages that were missed have come before the answer, and new ones may have.
   *
   * @param {{at?: string, gap?: boolean, name?: string}} answer
   * @param {string | undefined} since
   */
  #joined({ at, gap, name = "" }, since) {
    if (!this.isAsked) return;
    this.#alias = name;
    this.#link.onAlias();
    // Without a position to go on from, what was sent since the last connection is gone.
    const isGap = gap || (this.#hasJoined && !since);
    this.#hasJoined = true;
    this.#state = "joined";
    if (this.#at === since) this.#move(at);
    this.emit("joined", { at, gap: Boolean(isGap) });
    if (isGap) this.emit("gap", { at });
    // What is not of this group either.
    this.#link.onAlias();
  }

  /** @param {import("./errors.js").ChannelsError} error */
  #refused(error) {
    // It is joined again with the next connection.
    if (error.code === "lost" || error.code === "closed" || !this.isAsked) return;
    this.lose();
    this.#link.onAlias();
    if (error.code === "later") this.#retry = setTimeout(this.#link.onRetry, pauseOf(error.after));
    this.emit("error", error);
    this.#link.onError(error);
  }

  /** @param {string | undefined} at */
  #move(at) {
    if (!at || typeof at !== "string") return;
    this.#at = at;
    this.#store((storage) => storage.setItem(this.#key, at));
  }

  #recalled() {
    return this.#store((storage) => storage.getItem(this.#key)) || undefined;
  }

  /**
   * @template Result
   * @param {(storage: Storage) => Result} use
   */
  #store(use) {
    try {
      return this.#storage && use(this.#storage);
    } catch {
      // The storage is full or forbidden: the position lives as long as the page.
    }
  }
}
