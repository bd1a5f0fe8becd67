/** A server of `channels-workers.v1` in memory, for the tests of pages that use a Client. */

import { ChannelsError } from "./errors.js";
import { FakeWebSocket } from "./fakewebsocket.js";

/**
 * @typedef {object} FakeServerOptions
 * @property {(payload: any, context: Context) => unknown} [onRequest] returns the payload of the reply, or a promise
 *   of it. By default requests are answered with the error `unknown`
 * @property {(payload: any, context: Context) => unknown} [onMessage] is called once for each nonce
 * @property {(group: string, context: Context) => unknown} [onJoin]
 * @property {(token: string, context: Context) => number | null | undefined} [onToken] returns the seconds after which
 *   it expires, if it does
 * @property {number} [history] how many messages of a group are kept. With 0 they have no positions
 */

/**
 * What a handler knows. One that throws a `ChannelsError` answers with it.
 *
 * @typedef {object} Context
 * @property {FakeWebSocket} socket
 * @property {string} [stream]
 */

/**
 * Serves Clients that get its `WebSocket`. It accepts and answers by itself, as soon as the page's code has
 * returned; wait for `settled()`.
 *
 * @example
 * const server = new FakeServer({ onRequest: (payload) => payload.number * 2 });
 * const client = new Client("ws://example.com/", { WebSocket: server.WebSocket });
 * client.open();
 * assert.equal(await client.request({ number: 2 }), 4);
 */
export class FakeServer {
  /** What clients have sent, once for each nonce. @type {{payload: any, stream?: string, nonce?: string}[]} */
  messages = [];
  /** Whether it refuses handshakes, as a server that is stopped. */
  isDown = false;
  #options;
  /** The groups of each open socket. @type {Map<FakeWebSocket, Set<string>>} */
  #sockets = new Map();
  /** @type {Map<string, {epoch: number, last: number, frames: any[]}>} */
  #histories = new Map();
  #epochs = 0;
  /** @type {Set<string>} */
  #nonces = new Set();
  /** What each socket has asked is answered in order. @type {WeakMap<FakeWebSocket, Promise<unknown>>} */
  #queues = new WeakMap();
  /** How much has happened. */
  #steps = 0;

  /** @param {FakeServerOptions} [options] */
  constructor(options = {}) {
    this.#options = { history: 100, ...options };
    const open = (/** @type {FakeWebSocket} */ socket) => this.#next(socket, () => this.#accept(socket));
    const take = (/** @type {FakeWebSocket} */ socket, /** @type {unknown} */ data) =>
      this.#next(socket, () => this.#read(socket, data));
    const end = (/** @type {FakeWebSocket} */ socket, code = 1005) => this.#end(socket, code);
    const Socket = class extends FakeWebSocket {
      /**
       * @param {string | URL} url
       * @param {string | string[]} [protocols]
       */
      constructor(url, protocols) {
        super(url, protocols);
        open(this);
      }
      /** @param {unknown} data */
      send(data) {
        super.send(data);
        take(this, data);
      }
      /**
       * @param {number} [code]
       * @param {string} [reason]
       */
      close(code, reason) {
        super.close(code, reason);
        queueMicrotask(() => end(this, code));
      }
    };
    /** The class to pass to Clients. */
    this.WebSocket = /** @type {typeof globalThis.WebSocket} */ (/** @type {unknown} */ (Socket));
  }

  /** The open sockets, oldest first. */
  get sockets() {
    return [...this.#sockets.keys()];
  }

  /** Wait until everything has been answered, and what that caused. It does not wait for timers of handlers. */
  async settled() {
    for (let steps = -1; steps !== this.#steps; ) {
      steps = this.#steps;
      // Handlers, and the page's code that waits for a reply, take some microtasks.
      for (let count = 0; count < 50; count++) await undefined;
    }
  }

  /**
   * Send a message to all sockets.
   *
   * @param {unknown} payload
   * @param {{stream?: string}} [options]
   */
  send(payload, { stream } = {}) {
    for (const socket of this.sockets) this.#answer(socket, { stream, payload });
  }

  /**
   * Send a message to a group.
   *
   * @param {string} group
   * @param {unknown} payload
   * @param {{stream?: string}} [options]
   */
  publish(group, payload, { stream } = {}) {
    const { history } = this.#options;
    const found = this.#historyOf(group);
    const at = history ? `${found.epoch}:${++found.last}` : undefined;
    const frame = { group, at, stream, payload };
    found.frames = history ? [...found.frames, frame].slice(-history) : [];
    for (const [socket, groups] of this.#sockets) if (groups.has(group)) this.#answer(socket, frame);
  }

  /** Begin the history of a group anew, as after a loss of Redis' data. @param {string} group */
  forget(group) {
    this.#histories.delete(group);
  }

  /**
   * End all sockets: by default they are cut.
   *
   * @param {number} [code]
   * @param {string} [reason]
   */
  end(code, reason) {
    for (const socket of this.sockets) this.#end(socket, code, reason);
  }

  /**
   * @param {FakeWebSocket} socket
   * @param {() => unknown} act
   */
  #next(socket, act) {
    this.#steps++;
    const before = this.#queues.get(socket) ?? Promise.resolve();
    this.#queues.set(
      socket,
      before.then(act).finally(() => this.#steps++),
    );
  }

  /** @param {FakeWebSocket} socket */
  async #accept(socket) {
    if (socket.readyState !== 0) return;
    const token = socket.protocols.find((each) => each.startsWith("token."))?.slice(6);
    try {
      if (this.isDown) throw new Error("The server is down");
      if (token) await this.#options.onToken?.(atob(token.replace(/-/g, "+").replace(/_/g, "/")), { socket });
    } catch {
      return socket.end();
    }
    this.#sockets.set(socket, new Set());
    socket.accept(socket.protocols.find((each) => !each.startsWith("token.")));
  }

  /**
   * @param {FakeWebSocket} socket
   * @param {number} [code]
   * @param {string} [reason]
   */
  #end(socket, code, reason) {
    this.#sockets.delete(socket);
    if (socket.readyState !== 3) socket.end(code, reason);
  }

  /**
   * @param {FakeWebSocket} socket
   * @param {object} frame
   */
  #answer(socket, frame) {
    if (socket.readyState === 1) socket.receive(JSON.stringify(frame));
  }

  /**
   * @param {FakeWebSocket} socket
   * @param {unknown} data
   */
  async #read(socket, data) {
    const groups = this.#sockets.get(socket);
    if (!groups) return;
    const frame = JSON.parse(String(data));
    const { id, nonce } = frame;
    try {
      await this.#handle(socket, groups, frame);
    } catch (error) {
      const { code = "failed", message, fields, after } = /** @type {any} */ (error);
      this.#answer(socket, { type: "error", id, nonce, code, message, fields, after });
    }
  }

  /**
   * @param {FakeWebSocket} socket
   * @param {Set<string>} groups
   * @param {any} frame
   */
  async #handle(socket, groups, { type = "message", id, nonce, stream, payload, group, since, token }) {
    const context = { socket, stream };
    const answer = (/** @type {object} */ frame) => this.#answer(socket, frame);
    const { onRequest, onMessage, onJoin, onToken } = this.#options;
    if (type === "ping") return answer({ type: "pong", id });
    if (type === "request" && onRequest) {
      return answer({ type: "reply", id, payload: (await onRequest(payload, context)) ?? null });
    }
    if (type === "message") {
      if (!this.#nonces.has(nonce)) {
        await onMessage?.(payload, context);
        this.messages.push({ payload, stream, nonce });
      }
      if (nonce !== undefined) this.#nonces.add(nonce) && answer({ type: "ack", nonce });
    } else if (type === "join") {
      await onJoin?.(group, context);
      answer({ type: "joined", id, group, ...this.#join(socket, groups, group, since) });
    } else if (type === "leave") {
      groups.delete(group);
      answer({ type: "left", id, group });
    } else if (type === "channels_workers.token") {
      const seconds = onToken?.(token, context);
      const expires = seconds && Date.now() / 1_000 + seconds;
      answer({ type, expires: expires ?? null, seconds: seconds ?? null });
    } else {
      throw new ChannelsError({ code: "unknown", message: `No handler takes ${type}` });
    }
  }

  /**
   * Returns what the answer says, after the messages that were missed.
   *
   * @param {FakeWebSocket} socket
   * @param {Set<string>} groups
   * @param {string} group
   * @param {string} [since]
   */
  #join(socket, groups, group, since) {
    const { epoch, last, frames } = this.#historyOf(group);
    const [sinceEpoch, offset] = (since ?? `${epoch}:${last}`).split(":");
    const missed = frames.slice(Math.max(0, frames.length - (last - +offset)));
    const gap = +sinceEpoch !== epoch || missed.length !== last - +offset;
    groups.add(group);
    if (!gap) for (const frame of missed) this.#answer(socket, frame);
    return this.#options.history ? { at: `${epoch}:${last}`, gap } : { gap: since !== undefined };
  }

  /** @param {string} group */
  #historyOf(group) {
    const history = this.#histories.get(group) ?? { epoch: ++this.#epochs, last: 0, frames: [] };
    this.#histories.set(group, history);
    return history;
  }
}
