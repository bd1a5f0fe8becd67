/** A client of the protocol `channels-workers.v1`: messages, requests, streams, groups, tokens. */

import { Connection } from "./connection.js";
import { Delivery } from "./delivery.js";
import { Emitter } from "./emitter.js";
import { ChannelsError } from "./errors.js";
import { Groups } from "./groups.js";
import { Outbox } from "./outbox.js";
import { watchRefusals } from "./refusals.js";
import { Requests } from "./requests.js";
import { Resumption } from "./resumption.js";
import { Stream } from "./stream.js";
import { Renewal, TYPE as TOKEN, tokenProtocol } from "./tokens.js";
import { watchWakeups } from "./wakeup.js";

/** @typedef {import("./connection.js").State} State */
/** @typedef {import("./group.js").Message} Message */
/** @typedef {import("./group.js").JoinOptions} JoinOptions */

/** @typedef {import("./delivery.js").Content} Content */
/** @typedef {import("./delivery.js").Entry} Entry */

/**
 * @typedef {object} ClientExtras
 * @property {() => Promise<string | null | undefined> | string | null | undefined} [token] is called for each
 *   connection, and before a token expires. Without a token in its result, the client closes
 * @property {boolean} [resume] go on with the same connection of the server after a loss, if the server can
 * @property {Outbox<Content>} [outbox] for `sendReliably()`, such as one with a storage
 * @property {number} [timeout] milliseconds that the reply to a request may take
 * @property {number} [heartbeat] milliseconds without a frame after which the client sends a ping; 0: never
 * @property {number} [heartbeatTimeout] milliseconds that the answer to it may take
 * @property {number} [frameSize] the largest frame in bytes, as the server's `FRAME_SIZE`
 * @property {boolean} [wakeups] whether to run `watchWakeups()`, by default in pages
 * @property {string | URL | false} [healthUrl] the page for `watchRefusals()`, by default `/healthz` in pages
 */

/** @typedef {Omit<import("./connection.js").ConnectionOptions, "resume"> & ClientExtras} ClientOptions */

/**
 * @typedef {object} RequestOptions
 * @property {string} [stream]
 * @property {number} [timeout] milliseconds, by default that of the client
 * @property {AbortSignal} [signal]
 * @property {boolean} [idempotent] whether to ask again if the connection is lost before the reply
 */

const PROTOCOL = "channels-workers.v1";
const ANSWERS = ["reply", "joined", "left", "pong"];
// Close codes of the server for a token that has expired or is refused.
const REFUSED = [4020, 4021];
const TOO_LARGE = 4009;
// The bytes of a frame beside its payload and the name of its stream, at most.
const HEAD = 128;
// Milliseconds. A new token that a socket ended with sooner is refused, too.
const STEADY = 5_000;
// What `setTimeout` takes, in milliseconds.
const LONGEST = 2 ** 31 - 1;

/**
 * @extends {Emitter<{
 *   state: State,
 *   message: Message,
 *   ack: Entry,
 *   refused: {entry: Entry, error: ChannelsError},
 *   held: {entry: Entry, error: ChannelsError},
 *   error: ChannelsError,
 *   failure: {isReachable: boolean},
 *   frame: unknown,
 * }>}
 */
export class Client extends Emitter {
  #connection;
  #outbox;
  #delivery;
  #timeout;
  #heartbeat;
  #heartbeatTimeout;
  #frameSize;
  #resume;
  #watch;
  /** @type {(() => void)[]} */
  #watching = [];
  #requests = new Requests((frame) => this.#send(frame));
  #groups = new Groups(this.#requests, {
    isOpen: () => this.isOpen,
    onMessage: (message) => this.#receive(message),
    onError: (error) => this.emit("error", error),
  });
  /** @type {Map<string, Stream>} */
  #streams = new Map();
  /** @type {Renewal | undefined} */
  #renewal;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #beat;
  #openedAt = 0;
  #wasRefused = false;

  /**
   * @param {string | URL | (() => string | URL)} url
   * @param {ClientOptions} [options]
   */
  constructor(url, options = {}) {
    super();
    const isPage = Boolean(globalThis.document);
    const { token, resume, protocols = [PROTOCOL], outbox = new Outbox(), timeout = 10_000 } = options;
    const { heartbeat = 25_000, heartbeatTimeout = 20_000, frameSize = 262_144 } = options;
    const { wakeups = isPage, healthUrl = isPage && "/healthz" } = options;
    this.#outbox = outbox;
    const send = (/** @type {object} */ frame) => this.#send(frame);
    this.#delivery = new Delivery(outbox, send, this.emit.bind(this));
    this.#timeout = timeout;
    this.#heartbeat = heartbeat;
    this.#heartbeatTimeout = heartbeatTimeout;
    this.#frameSize = frameSize;
    this.#resume = resume;
    if (token) {
      const onError = (/** @type {any} */ error) => this.emit("error", error);
      this.#renewal = new Renewal(token, send, onError);
    }
    const connection = new Connection(url, {
      probe: () => this.#send({ type: "ping" }),
      ...options,
      resume: resume ? new Resumption() : undefined,
      protocols: token ? () => this.#offer(protocols) : protocols,
    });
    connection.on("state", (state) => this.#change(state));
    connection.on("data", (data) => this.#read(data));
    this.#connection = connection;
    const onRefusal = (/** @type {boolean} */ isReachable) => this.emit("failure", { isReachable });
    this.#watch = () => {
      if (wakeups) this.#watching.push(watchWakeups(connection));
      if (healthUrl) this.#watching.push(watchRefusals(connection, healthUrl, onRefusal));
    };
  }

  /** The connection below. */
  get connection() {
    return this.#connection;
  }

  get state() {
    return this.#connection.state;
  }

  get isOpen() {
    return this.#connection.isOpen;
  }

  /** What `sendReliably()` has sent, and the server has not confirmed. */
  get outbox() {
    return this.#outbox;
  }

  /** Connect, and stay connected. */
  open() {
    if (!this.#watching.length) this.#watch();
    this.#connection.open();
  }

  /**
   * Close, until `open()`. Requests end with the error `closed`. Groups and the outbox stay.
   *
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code, reason) {
    for (const end of this.#watching.splice(0)) end();
    this.#connection.close(code, reason);
  }

  /**
   * Send a message, which may be lost with its connection.
   *
   * @param {unknown} payload
   * @param {{stream?: string}} [options]
   * @returns {boolean} whether there is a connection. If not, nothing is sent
   */
  send(payload, { stream } = {}) {
    this.#check({ stream, payload });
    return this.#send({ stream, payload });
  }

  /**
   * Send a message again, over as many connections as it takes, until the server confirms or refuses it. See the
   * events `ack`, `refused` and `held`.
   *
   * @param {unknown} payload
   * @param {{stream?: string}} [options]
   */
  sendReliably(payload, { stream } = {}) {
    this.#check({ stream, payload });
    const entry = this.#outbox.add({ stream, payload });
    this.flush();
    return entry;
  }

  /** Send what the outbox has for this connection, as after its `retry()`. */
  flush() {
    this.#delivery.flush();
  }

  /**
   * Ask the server. The promise is fulfilled with the payload of its reply, and rejected with a `ChannelsError`, or
   * the reason of the signal.
   *
   * @template [Reply=any]
   * @param {unknown} payload
   * @param {RequestOptions} [options]
   * @returns {Promise<Reply>}
   */
  request(payload, { stream, timeout = this.#timeout, signal, idempotent } = {}) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this.#check({ stream, payload });
      /** @type {(() => void)[]} */
      const ends = [];
      /** @param {(value: any) => void} finish */
      const settle = (finish) => (/** @type {any} */ value) => {
        for (const end of ends) end();
        finish(value);
      };
      const giveUp = this.#requests.ask({
        frame: { type: "request", stream, payload },
        idempotent,
        onAnswer: settle((answer) => resolve(answer.payload)),
        onError: settle(reject),
      });
      const late = () => giveUp(new ChannelsError({ code: "timeout" }));
      const timer = setTimeout(late, Math.min(timeout, LONGEST));
      const abort = () => giveUp(signal?.reason);
      signal?.addEventListener("abort", abort);
      ends.push(() => clearTimeout(timer), () => signal?.removeEventListener("abort", abort));
    });
  }

  /**
   * The messages of one stream.
   *
   * @template [In=any] the payload of messages from the server
   * @template [Out=any] the payload of messages to it
   * @template [Reply=any] the payload of its replies
   * @param {string} name
   * @returns {Stream<In, Out, Reply>}
   */
  stream(name) {
    const stream = this.#streams.get(name) ?? new Stream(this, name);
    this.#streams.set(name, stream);
    return stream;
  }

  /**
   * Join a group, and again with each connection. A group that was joined before is returned as it is.
   *
   * @template [Payload=any]
   * @param {string} name
   * @param {JoinOptions} [options]
   * @returns {import("./group.js").JoinedGroup<Payload>}
   */
  join(name, options = {}) {
    return this.#groups.join(name, options);
  }

  /**
   * Throw for what the server would never take. It would be sent again and again.
   *
   * @param {object} frame without its nonce and id
   */
  #check(frame) {
    const text = JSON.stringify(frame);
    const room = this.#frameSize - HEAD;
    // A character has up to three bytes.
    if (text.length * 3 > room && new Blob([text]).size > room) throw new RangeError("The frame is too large");
  }

  /** @param {object} frame */
  #send(frame) {
    return this.#connection.send(JSON.stringify(frame));
  }

  /** @param {import("./connection.js").ConnectionOptions["protocols"]} protocols */
  async #offer(protocols) {
    const offered = typeof protocols === "function" ? await protocols() : protocols;
    const { state } = this;
    const token = await this.#renewal?.fetch();
    if (token) return [...(offered ?? []), tokenProtocol(token)];
    if (state === this.state) this.#connection.close(REFUSED[1], "There is no token");
    return [];
  }

  /** @param {State} state */
  #change(state) {
    if (state.name === "open") this.#begin(state);
    this.emit("state", state);
    if (state.name === "lost" || state.name === "closed") this.#end(state);
  }

  /** @param {State} state */
  #begin(state) {
    // Frames of before, or the answers to them, are gone.
    const isNew = !state.resumed || Boolean(state.gap || state.lost);
    this.#openedAt = performance.now();
    this.#renewal?.begin();
    this.#beatIn(this.#heartbeat);
    if (isNew) this.#requests.lose("lost");
    this.#groups.begin(state);
    this.#requests.flush();
    this.#delivery.begin(isNew);
  }

  /** @param {State} state */
  #end({ name, code = 0, reason, wasOpen }) {
    clearTimeout(this.#beat);
    this.#renewal?.end();
    const isSteady = wasOpen && performance.now() - this.#openedAt > STEADY;
    const wasRefused = this.#wasRefused && !isSteady;
    this.#wasRefused = name === "lost" && (REFUSED.includes(code) || wasRefused);
    if (name === "closed") {
      this.#requests.lose("closed");
      this.#groups.end();
      this.#delivery.end();
      return;
    }
    if (!this.#resume) this.#requests.lose("lost");
    if (code === TOO_LARGE) this.#delivery.refuseLargest();
    if (this.#renewal && wasRefused && REFUSED.includes(code)) this.#connection.close(code, reason);
  }

  /** @param {number} milliseconds */
  #beatIn(milliseconds) {
    clearTimeout(this.#beat);
    if (!this.#heartbeat) return;
    this.#beat = setTimeout(() => {
      const left = this.#heartbeat - this.#connection.silence;
      // Workers may be restarting.
      if (left <= 0) this.#connection.probe(this.#heartbeatTimeout);
      this.#beatIn(left > 0 ? left : this.#heartbeat);
    }, milliseconds);
  }

  /** @param {string | ArrayBuffer} data */
  #read(data) {
    /** @type {any} */
    let frame;
    try {
      frame = JSON.parse(/** @type {string} */ (data));
    } catch {
      // Binary, or text of another protocol.
    }
    if (frame === null || typeof frame !== "object") return this.emit("frame", data);
    const { type = "message" } = frame;
    if (type === "message" && "payload" in frame) {
      if (frame.group) this.#groups.take(frame);
      else this.#receive(frame);
    } else if (type === "ack") this.#delivery.confirm(frame.nonce);
    else if (type === "error") this.#refuse(frame);
    else if (type === TOKEN) this.#renewal?.taken(frame);
    else if (ANSWERS.includes(type)) this.#requests.answer(frame);
    else this.emit("frame", frame);
  }

  /** @param {Message} message */
  #receive(message) {
    if (message.stream) this.#streams.get(message.stream)?.emit("message", message);
    this.emit("message", message);
  }

  /** @param {any} frame */
  #refuse(frame) {
    if (this.#requests.answer(frame)) return;
    const error = new ChannelsError(frame);
    if (!this.#delivery.refuse(frame.nonce, error)) this.emit("error", error);
  }
}
