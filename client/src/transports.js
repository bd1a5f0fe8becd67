/**
 * A WebSocket for networks that let none through: over server-sent events and POST, or by long poll.
 *
 * The server needs `FALLBACKS`. This module is apart from the others, so that pages load it when they need it.
 */

import { HttpSocket } from "./http-socket.js";

/**
 * @typedef {object} FallbackOptions
 * @property {number} [openTimeout] milliseconds in which a WebSocket must open
 * @property {number} [patience] how many WebSockets in a row may be refused, or cut at once, before the
 *   fallback is used
 * @property {number} [rememberFor] milliseconds for which the fallback is used at once, also by other pages of
 *   this tab. Then a WebSocket is tried again
 * @property {number} [streamTimeout] milliseconds in which the first bytes of a stream must come. Otherwise a
 *   proxy collects the stream, and frames come by long poll
 * @property {("sse" | "poll")[]} [transports] which fallbacks are used, in this order
 * @property {Storage} [storage] remembers that the fallback is needed. By default `sessionStorage`
 * @property {typeof globalThis.WebSocket | null} [WebSocket] the class to try first. With null, none is tried
 * @property {typeof globalThis.fetch} [fetch] the function to use, for tests
 */

const DEFAULTS = {
  openTimeout: 5_000,
  patience: 2,
  rememberFor: 600_000,
  streamTimeout: 5_000,
  transports: /** @type {("sse" | "poll")[]} */ (["sse", "poll"]),
};

// A WebSocket that lived for less was cut at once (milliseconds).
const AT_ONCE = 5_000;

/** The entry of the storage: until when the fallback is used, and how frames come, such as "1764489600000 sse". */
export const REMEMBERED = "channels-workers.transport";

/**
 * Return a class for the option `WebSocket` of a `Connection`, or for use in its place. Each socket is a
 * WebSocket or, where none gets through, a socket over HTTP. Its `transport` says which: `"websocket"`, `"sse"`
 * or `"poll"`.
 *
 * @param {FallbackOptions} [options]
 * @returns {typeof globalThis.WebSocket}
 */
export function withFallbacks(options = {}) {
  const choice = new Choice({ ...DEFAULTS, ...options });
  const Chosen = class extends FallbackSocket {
    /**
     * @param {string | URL} url
     * @param {string | string[]} [protocols]
     */
    constructor(url, protocols = []) {
      super(choice, url, protocols);
    }
  };
  const states = { CONNECTING, OPEN, CLOSING, CLOSED };
  Object.assign(Chosen.prototype, states);
  return /** @type {any} */ (Object.assign(Chosen, states));
}

/** What is known of the network: whether WebSockets get through, and else how frames come. */
class Choice {
  #failures = 0;
  /** @type {string | undefined} */
  #kept;

  /** @param {FallbackOptions & typeof DEFAULTS} options */
  constructor(options) {
    this.options = options;
    this.WebSocket = options.WebSocket === undefined ? globalThis.WebSocket : options.WebSocket;
    this.fetch = options.fetch ?? ((url, init) => fetch(url, init));
  }

  get isFallback() {
    return !this.WebSocket || this.#failures >= this.options.patience || this.#memory() !== undefined;
  }

  /** How frames should come: as they did last, or in the best way. */
  get transport() {
    const { transports } = this.options;
    const last = transports.find((each) => each === this.#memory());
    return last ?? transports[0] ?? "poll";
  }

  /** A WebSocket did not open, or was cut at once. */
  fail() {
    this.#failures++;
  }

  /** It did not even open in time. */
  failForGood() {
    this.#failures = this.options.patience;
  }

  /** A WebSocket lives, or nothing is known any more. */
  succeed() {
    this.#failures = 0;
  }

  /**
   * Frames come over HTTP. What was remembered before stays so for no longer: WebSockets are tried again.
   *
   * @param {string} transport
   */
  remember(transport) {
    const [until] = this.#entry();
    const from = Date.now();
    this.#keep(`${until > from ? until : from + this.options.rememberFor} ${transport}`);
    this.#failures = 0;
  }

  /** The fallback does not work either. */
  forget() {
    this.#keep(undefined);
    this.#failures = 0;
  }

  /** @returns {string | undefined} */
  #memory() {
    const [until, transport] = this.#entry();
    // A clock that was set back must not keep it for ever.
    const left = until - Date.now();
    return left > 0 && left <= this.options.rememberFor ? transport : undefined;
  }

  /** @returns {[number, string]} */
  #entry() {
    let text = this.#kept;
    try {
      text ??= this.#storage?.getItem(REMEMBERED) ?? undefined;
    } catch {
      // The storage is forbidden.
    }
    const [until, transport = ""] = (text ?? "0").split(" ");
    return [Number(until) || 0, transport];
  }

  /** @param {string | undefined} text */
  #keep(text) {
    this.#kept = text;
    try {
      if (text === undefined) this.#storage?.removeItem(REMEMBERED);
      else this.#storage?.setItem(REMEMBERED, text);
    } catch {
      // The storage is full or forbidden: it is remembered as long as the page lives.
    }
  }

  get #storage() {
    return this.options.storage ?? globalThis.sessionStorage;
  }
}

// The code of a socket that ended without a close frame, or never opened (RFC 6455, 7.4.1).
const ABNORMAL = 1006;

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** A socket with the interface of a WebSocket. */
class FallbackSocket extends EventTarget {
  /** @type {((event: Event) => void) | null} */ onopen = null;
  /** @type {((event: Event) => void) | null} */ onmessage = null;
  /** @type {((event: Event) => void) | null} */ onerror = null;
  /** @type {((event: Event) => void) | null} */ onclose = null;

  #choice;
  #protocols;
  /** @type {WebSocket | HttpSocket | undefined} */
  #inner;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #openedAt = 0;
  /** @type {BinaryType} */
  #binaryType = "blob";
  #isClosed = false;

  /**
   * @param {Choice} choice
   * @param {string | URL} url
   * @param {string | string[]} protocols
   */
  constructor(choice, url, protocols) {
    super();
    const found = new URL(url, globalThis.location?.href);
    found.protocol = found.protocol.replace("http", "ws");
    this.url = found.href;
    this.#choice = choice;
    this.#protocols = [protocols].flat();
    if (choice.isFallback) this.#useHttp();
    else this.#useWebSocket();
  }

  get transport() {
    return this.#inner instanceof HttpSocket ? this.#inner.transport : "websocket";
  }

  get readyState() {
    return this.#isClosed ? CLOSED : (this.#inner?.readyState ?? CONNECTING);
  }

  get protocol() {
    return this.#inner?.protocol ?? "";
  }

  get extensions() {
    return "";
  }

  get bufferedAmount() {
    return this.#inner?.bufferedAmount ?? 0;
  }

  get binaryType() {
    return this.#binaryType;
  }

  set binaryType(type) {
    this.#binaryType = type;
    if (this.#inner) this.#inner.binaryType = type;
  }

  /** @param {string | ArrayBufferLike | Blob | ArrayBufferView} data */
  send(data) {
    if (this.readyState === CONNECTING || !this.#inner)
      throw new DOMException("The socket is not open yet.", "InvalidStateError");
    this.#inner.send(/** @type {any} */ (data));
  }

  /**
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code, reason) {
    clearTimeout(this.#timer);
    if (code === undefined) this.#inner?.close();
    else this.#inner?.close(code, reason);
  }

  #useWebSocket() {
    const { WebSocket: Socket, options } = this.#choice;
    if (!Socket) return;
    const socket = new Socket(this.url, this.#protocols);
    this.#timer = setTimeout(() => {
      this.#choice.failForGood();
      this.#useHttp();
      socket.close();
    }, options.openTimeout);
    this.#use(socket);
  }

  #useHttp() {
    const { fetch, options, transport } = this.#choice;
    const socket = new HttpSocket(this.url, this.#protocols, {
      fetch,
      transport,
      canPoll: options.transports.includes("poll"),
      streamTimeout: options.streamTimeout,
      onTransport: (name) => this.#choice.remember(name),
    });
    this.#use(socket);
  }

  /** @param {WebSocket | HttpSocket} socket */
  #use(socket) {
    this.#inner = socket;
    socket.binaryType = this.#binaryType;
    const on = (/** @type {string} */ type, /** @type {(event: any) => void} */ listener) =>
      socket.addEventListener(type, (event) => socket === this.#inner && listener(event));
    on("open", () => {
      clearTimeout(this.#timer);
      this.#openedAt = performance.now();
      this.#emit(new Event("open"));
    });
    on("message", ({ data }) => this.#emit(new MessageEvent("message", { data })));
    on("error", () => this.#emit(new Event("error")));
    on("close", (event) => {
      clearTimeout(this.#timer);
      this.#judge(event.code);
      this.#isClosed = true;
      const { code, reason, wasClean } = event;
      this.#emit(Object.assign(new Event("close"), { code, reason, wasClean }));
    });
  }

  /**
   * See what the end of the socket says about the network.
   *
   * @param {number} code
   */
  #judge(code) {
    const wasOpen = this.#openedAt > 0;
    const wasShort = !wasOpen || performance.now() - this.#openedAt < AT_ONCE;
    if (this.#inner instanceof HttpSocket) {
      if (this.#inner.isUnsupported) this.#choice.forget();
      else if (!wasOpen) this.#choice.succeed(); // the server is away: it says nothing about the network
    } else if (code === ABNORMAL && wasShort) this.#choice.fail();
    else this.#choice.succeed();
  }

  /** @param {Event} event */
  #emit(event) {
    this.dispatchEvent(event);
    const name = /** @type {"onopen" | "onmessage" | "onerror" | "onclose"} */ (`on${event.type}`);
    this[name]?.(event);
  }
}
