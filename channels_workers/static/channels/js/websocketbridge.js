/**
 * The JavaScript API of Channels 1.x: `channels.WebSocketBridge`.
 *
 * A classic script without dependencies, for pages written for Channels 1.x:
 *
 *   const bridge = new channels.WebSocketBridge();
 *   bridge.connect("/streams/");
 *   bridge.listen((action, stream) => ...);             // frames without a stream
 *   bridge.demultiplex("echo", (action, stream) => ...); // {"stream": "echo", "payload": action}
 *   bridge.stream("echo").send({ text: "hello" });
 *   bridge.send({ text: "hello" });
 */

(() => {
  "use strict";

  const DEFAULTS = {
    minReconnectionDelay: 1_000,
    maxReconnectionDelay: 30_000,
    reconnectionDelayGrowFactor: 2,
    connectionTimeout: 20_000,
    maxRetries: Infinity,
  };
  const TYPES = ["open", "message", "error", "close"];
  const STATES = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
  // A socket that lived for less counts as a failure: the delays keep growing.
  const STEADY = 5_000;
  // The prefix of the seconds after which clients of a server that shuts down reconnect.
  const RETURN = "retry-after: ";

  /**
   * A WebSocket that reconnects by itself.
   *
   * Listeners, and the handlers `onopen`, `onmessage`, `onerror` and `onclose`, stay for all its
   * connections. Frames are not kept: as with a WebSocket, `send` throws InvalidStateError while
   * it connects, and what you send between two connections is lost.
   */
  class ReconnectingSocket extends EventTarget {
    onopen = null;
    onmessage = null;
    onerror = null;
    onclose = null;
    #url;
    #protocols;
    #options;
    #socket;
    // Ends the listening to the current socket.
    #listening;
    #deadline;
    #retry;
    #openedAt = null;
    #failures = 0;
    // Of the next connection, as given to close(). 0 for none.
    #delay = 0;
    #isFinished = false;

    constructor(url, protocols, options) {
      super();
      this.#url = url;
      this.#protocols = protocols ?? [];
      this.#options = { ...DEFAULTS, ...options };
      for (const type of TYPES) this.addEventListener(type, (event) => this[`on${type}`]?.(event));
      this.#connect();
    }

    get url() {
      return this.#socket.url;
    }

    get protocol() {
      return this.#socket.protocol;
    }

    get readyState() {
      return this.#socket.readyState;
    }

    get bufferedAmount() {
      return this.#socket.bufferedAmount;
    }

    send(data) {
      this.#socket.send(data);
    }

    /**
     * Close the connection, and open a new one after a pause, or after `delay` milliseconds.
     *
     * With `keepClosed` it stays closed. The close event comes at once, or with `fastClose: false`
     * when the server has answered.
     */
    close(code = 1000, reason = "", { keepClosed = false, fastClose = true, delay = 0 } = {}) {
      this.#isFinished = keepClosed;
      this.#delay = delay;
      if (keepClosed) clearTimeout(this.#retry);
      this.#socket.close(code, reason);
      if (fastClose) this.#ended(new CloseEvent("close", { code, reason, wasClean: true }));
    }

    #connect() {
      const socket = new WebSocket(this.#url, this.#protocols);
      this.#socket = socket;
      this.#openedAt = null;
      this.#deadline = setTimeout(() => socket.close(), this.#options.connectionTimeout);
      this.#listening = new AbortController();
      const { signal } = this.#listening;
      const on = (type, listener) => socket.addEventListener(type, listener, { signal });
      on("open", (event) => this.#opened(event));
      on("message", (event) => this.#forward(event));
      on("error", (event) => this.#forward(event));
      on("close", (event) => this.#ended(event));
    }

    #opened(event) {
      clearTimeout(this.#deadline);
      this.#openedAt = performance.now();
      this.#forward(event);
    }

    #ended(event) {
      if (this.#listening.signal.aborted) return;
      this.#listening.abort();
      clearTimeout(this.#deadline);
      const life = performance.now() - (this.#openedAt ?? Infinity);
      if (life > STEADY) this.#failures = 0;
      const delay = this.#delay || delayToldBy(event.reason) || this.#nextDelay();
      this.#delay = 0;
      if (!this.#isFinished && this.#failures <= this.#options.maxRetries) {
        this.#retry = setTimeout(() => this.#connect(), delay);
      }
      this.#forward(event);
    }

    /** Backoff with jitter: after a restart the pages must not all reconnect at once. */
    #nextDelay() {
      const options = this.#options;
      const growth = options.reconnectionDelayGrowFactor ** this.#failures++;
      const longest = Math.min(options.maxReconnectionDelay, options.minReconnectionDelay * growth);
      return longest * (0.5 + Math.random() / 2);
    }

    #forward(event) {
      this.dispatchEvent(new event.constructor(event.type, event));
    }
  }

  Object.assign(ReconnectingSocket.prototype, STATES);

  /** The server's delay plus up to half of it; NaN if it sent none. */
  function delayToldBy(reason) {
    return reason.split(RETURN)[1] * 1_000 * (1 + Math.random() / 2);
  }

  /** The address of a socket: by default the root of this site. A path is one on this site. */
  function addressOf(url = "/") {
    if (!url.startsWith("/")) return url;
    return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${url}`;
  }

  class WebSocketBridge {
    /** The reconnecting socket; null before `connect()`. */
    socket = null;
    #callback;
    #callbacks = new Map();

    /** Open the socket. `options` are those of `DEFAULTS`, with times in milliseconds. */
    connect(url, protocols, options) {
      this.socket = new ReconnectingSocket(addressOf(url), protocols, options);
    }

    /** Receive frames from now on. `callback(action, null)` gets those that name no stream. */
    listen(callback) {
      this.#callback = callback;
      this.socket.onmessage = ({ data }) => this.#received(JSON.parse(data));
    }

    /** Let `callback(action, stream)` receive the payloads of a stream. */
    demultiplex(stream, callback) {
      this.#callbacks.set(stream, callback);
    }

    /** Send a message as JSON. */
    send(message) {
      this.socket.send(JSON.stringify(message));
    }

    /** An object whose `send(action)` sends to a stream. */
    stream(stream) {
      return { send: (action) => this.send({ stream, payload: action }) };
    }

    #received(message) {
      const stream = message?.stream;
      if (stream === undefined) this.#callback?.(message, null);
      else this.#callbacks.get(stream)?.(message.payload, stream);
    }
  }

  window.channels = { ...window.channels, WebSocketBridge };
})();
