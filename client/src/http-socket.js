/** One socket over HTTP: frames go out by POST, and come as server-sent events or by long poll. */

/**
 * @typedef {"sse" | "poll"} Transport
 *
 * @typedef {object} HttpSocketOptions
 * @property {(url: string, init: RequestInit) => Promise<Response>} fetch
 * @property {Transport} transport how frames should come
 * @property {boolean} canPoll whether they may come by long poll where streams do not pass
 * @property {number} streamTimeout milliseconds in which the first bytes of a stream must come
 * @property {(transport: Transport) => void} onTransport is told in which way frames come, once they do
 *
 * @typedef {string | {bytes: string}} Frame as the server wants it
 */

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

const ABNORMAL = 1006;
const NO_CODE = 1005;
const GOING_AWAY = 1001;
const TOO_LARGE = 1009;

// Milliseconds. Workers may take their time to answer a handshake, and other servers to find the socket.
const OPEN_TIMEOUT = 60_000;
const SEND_TIMEOUT = 25_000;
const POLL_TIMEOUT = 40_000;
// The server sends a comment every 15 s. A stream that is silent for longer is dead.
const SILENCE = 40_000;
// A stream that was cut after less is counted: so many of them in a row, and frames come by long poll.
const STEADY = 5_000;
const CUTS = 3;
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 2_000;

// What one request sends, and after how much the server is told what has come. It keeps 256 frames or 64 KiB.
const BATCH_FRAMES = 200;
const BATCH_SIZE = 128 * 1024;
const CONFIRM_FRAMES = 64;
const CONFIRM_SIZE = 16 * 1024;

/** A request failed; `isFinal` if trying again is no use. */
class Failure extends Error {
  /**
   * @param {number} status 0 if there was no answer
   * @param {boolean} isJson whether the server of the sockets has answered, and no proxy or page
   * @param {string} [reason] when to come back, as in the reason of a close frame
   */
  constructor(status, isJson, reason = "") {
    super(`status ${status}`);
    this.reason = reason;
    this.status = status;
    this.isJson = isJson;
    this.isFinal = status >= 400 && status < 500 && ![408, 409, 429].includes(status);
  }
}

export class HttpSocket extends EventTarget {
  readyState = CONNECTING;
  protocol = "";
  /** @type {BinaryType} */
  binaryType = "blob";
  bufferedAmount = 0;
  /** Whether the site answered, but has no sockets over HTTP. */
  isUnsupported = false;
  /** @type {Transport} */
  transport;

  #url;
  #options;
  #id = "";
  /** How long the server waits for a request that gets frames (milliseconds). */
  #timeout = 30_000;
  /** The number of the newest frame that came, and of the newest that was confirmed. */
  #after = 0;
  #confirmed = 0;
  #unconfirmedSize = 0;
  /** Frames that the server has not taken, and the number of the first one. @type {(Frame | Promise<Frame>)[]} */
  #queue = [];
  #first = 1;
  #isSending = false;
  #heardAt = 0;
  /** How frames have come. @type {Transport | undefined} */
  #working;
  #cuts = 0;
  /** @type {{code: number, reason: string} | undefined} */
  #closedWith;
  /** Ends each request under way. @type {Set<AbortController>} */
  #requests = new Set();
  #onPageHide = () => this.#leave();

  /**
   * @param {string} url `ws:` or `wss:`
   * @param {string[]} protocols
   * @param {HttpSocketOptions} options
   */
  constructor(url, protocols, options) {
    super();
    this.#url = url.replace(/^ws/, "http");
    this.#options = options;
    this.transport = options.transport;
    this.#open(protocols);
  }

  /** @param {string | Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>} data */
  send(data) {
    if (this.readyState !== OPEN) return;
    const frame = toFrame(data);
    this.#queue.push(frame);
    this.bufferedAmount += sizeOf(frame);
    this.#sendAll();
  }

  /**
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code, reason = "") {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999))
      throw new DOMException(`${code} is no code to close with.`, "InvalidAccessError");
    if (this.readyState >= CLOSING) return;
    if (this.readyState === CONNECTING) return this.#end(ABNORMAL);
    this.readyState = CLOSING;
    this.#closedWith = { code: code ?? NO_CODE, reason };
    this.#sendAll();
  }

  /** @param {string[]} protocols */
  async #open(protocols) {
    try {
      const found = await this.#ask("open", { protocols }, OPEN_TIMEOUT);
      if (this.readyState !== CONNECTING) return;
      this.#id = found.id;
      this.#timeout = found.timeout * 1_000;
      this.protocol = found.protocol ?? "";
    } catch (error) {
      const { status, isJson, reason } = /** @type {Failure} */ (error);
      this.isUnsupported = status > 0 && status < 500 && status !== 429 && !isJson;
      return this.#end(ABNORMAL, reason);
    }
    this.readyState = OPEN;
    this.#heardAt = performance.now();
    globalThis.addEventListener?.("pagehide", this.#onPageHide);
    this.dispatchEvent(new Event("open"));
    this.#receiveAll();
  }

  // Frames that come

  async #receiveAll() {
    let failures = 0;
    while (this.readyState === OPEN || this.readyState === CLOSING) {
      const before = this.#heardAt;
      try {
        await (this.transport === "sse" ? this.#stream() : this.#poll());
      } catch (error) {
        if (error instanceof Failure && error.isFinal) return this.#end(ABNORMAL);
      }
      failures = this.#heardAt > before ? 0 : failures + 1;
      if (performance.now() - this.#heardAt > this.#timeout) return this.#end(ABNORMAL);
      // A stream that is cut again and again is no reason to ask without pause.
      if (failures || this.#cuts) await pause(failures + this.#cuts - 1);
    }
  }

  async #poll() {
    const body = { id: this.#id, after: this.#after, by: "poll" };
    const batch = await this.#ask("receive", body, POLL_TIMEOUT);
    this.#heard();
    this.#take(batch);
  }

  async #stream() {
    const asked = this.#begin(this.#options.streamTimeout);
    const began = performance.now();
    let hasBegun = false;
    try {
      const body = { id: this.#id, after: this.#after, by: "sse" };
      const response = await this.#request("receive", body, asked.signal);
      if (!response.ok || !response.body) throw await failure(response);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        hasBegun = true;
        this.#heard();
        asked.wait(SILENCE);
        const events = (text + value).split("\n\n");
        text = events.pop() ?? "";
        for (const event of events) this.#takeEvent(event);
      }
    } finally {
      asked.end();
      if (asked.isLate && !hasBegun) this.#usePolls();
      else this.#countCut(performance.now() - began);
    }
  }

  #heard() {
    this.#heardAt = performance.now();
    if (this.#working === this.transport) return;
    this.#working = this.transport;
    this.#options.onTransport(this.transport);
  }

  /** @param {string} event */
  #takeEvent(event) {
    for (const line of event.split("\n")) {
      if (line.startsWith("data: ")) this.#take(JSON.parse(line.slice(6)));
    }
  }

  /** @param {number} lived */
  #countCut(lived) {
    this.#cuts = lived < STEADY ? this.#cuts + 1 : 0;
    if (this.#cuts >= CUTS) this.#usePolls();
  }

  #usePolls() {
    if (!this.#options.canPoll || this.readyState === CLOSED) return;
    this.#cuts = 0;
    this.transport = "poll";
  }

  /** @param {{first: number, frames: Frame[], close?: {code: number, reason: string}}} batch */
  #take({ first, frames, close }) {
    if (first > this.#after + 1) throw new Failure(0, true); // ask again: some are missing
    for (const frame of frames.slice(this.#after + 1 - first)) {
      this.#after++;
      this.#unconfirmedSize += sizeOf(frame);
      this.dispatchEvent(new MessageEvent("message", { data: this.#data(frame) }));
    }
    if (close) return this.#end(close.code, close.reason, close.code !== ABNORMAL);
    if (this.transport === "sse" && this.#mustConfirm) this.#sendAll();
    if (this.transport === "poll") this.#noteConfirmed();
  }

  get #mustConfirm() {
    const count = this.#after - this.#confirmed;
    return count >= CONFIRM_FRAMES || this.#unconfirmedSize >= CONFIRM_SIZE;
  }

  #noteConfirmed() {
    this.#confirmed = this.#after;
    this.#unconfirmedSize = 0;
  }

  /** @param {Frame} frame */
  #data(frame) {
    if (typeof frame === "string") return frame;
    const bytes = Uint8Array.from(atob(frame.bytes), (each) => each.charCodeAt(0));
    return this.binaryType === "blob" ? new Blob([bytes]) : bytes.buffer;
  }

  // Frames that go out

  /** Send what waits, in one request at a time: what is sent again has its numbers, and is taken once. */
  async #sendAll() {
    if (this.#isSending) return;
    this.#isSending = true;
    await Promise.resolve(); // so that what a page sends at once goes out in one request
    for (let failures = 0; this.readyState === OPEN || this.readyState === CLOSING; ) {
      if (!this.#queue.length && !this.#mustConfirm) break;
      try {
        failures = (await this.#sendSome()) ? 0 : failures + 1;
      } catch (error) {
        const { isFinal, status } = /** @type {Failure} */ (error);
        if (isFinal) return this.#end(status === 413 ? TOO_LARGE : ABNORMAL);
        failures++;
      }
      if (failures) await pause(failures - 1);
    }
    this.#isSending = false;
    if (this.readyState === CLOSING) this.#sendClose();
  }

  /** Returns whether the server has taken some. */
  async #sendSome() {
    /** @type {Frame[]} */
    const frames = [];
    for (let size = 0; frames.length < Math.min(this.#queue.length, BATCH_FRAMES); ) {
      const frame = await this.#queue[frames.length];
      size += sizeOf(frame);
      if (frames.length && size > BATCH_SIZE) break;
      frames.push(frame);
    }
    const ack = this.#after;
    const body = { id: this.#id, first: this.#first, frames, ack };
    const { received } = await this.#ask("send", body, SEND_TIMEOUT);
    if (ack === this.#after) this.#noteConfirmed();
    else this.#confirmed = ack;
    const count = Math.max(0, Math.min(received + 1 - this.#first, frames.length));
    this.#queue.splice(0, count);
    this.#first += count;
    this.bufferedAmount -= frames.slice(0, count).reduce((sum, frame) => sum + sizeOf(frame), 0);
    return count > 0 || !frames.length;
  }

  async #sendClose() {
    const { code, reason } = this.#closedWith ?? { code: NO_CODE, reason: "" };
    try {
      await this.#ask("close", { id: this.#id, code }, SEND_TIMEOUT);
    } catch {
      // The server will notice that nobody gets frames.
    }
    this.#end(code, reason, true);
  }

  /** The page is left: say so in a request that outlives it. */
  #leave() {
    const body = JSON.stringify({ id: this.#id, code: GOING_AWAY });
    const { fetch } = this.#options;
    fetch(this.#url, { ...options("close", body), keepalive: true }).catch(() => {});
    this.#end(ABNORMAL);
  }

  /**
   * @param {number} code
   * @param {string} [reason]
   * @param {boolean} [wasClean]
   */
  #end(code, reason = "", wasClean = false) {
    if (this.readyState === CLOSED) return;
    this.readyState = CLOSED;
    globalThis.removeEventListener?.("pagehide", this.#onPageHide);
    for (const request of this.#requests) request.abort();
    if (!wasClean) this.dispatchEvent(new Event("error"));
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason, wasClean }));
  }

  // Requests

  /**
   * The JSON that the server answers. Throws a Failure for any other answer, and without one.
   *
   * @param {string} verb
   * @param {object} body
   * @param {number} timeout milliseconds
   */
  async #ask(verb, body, timeout) {
    const asked = this.#begin(timeout);
    try {
      const response = await this.#request(verb, body, asked.signal);
      if (!response.ok || !isJson(response)) throw await failure(response);
      return await response.json();
    } catch (error) {
      throw error instanceof Failure ? error : new Failure(0, false);
    } finally {
      asked.end();
    }
  }

  /**
   * @param {string} verb
   * @param {object} body
   * @param {AbortSignal} signal
   */
  #request(verb, body, signal) {
    const { fetch } = this.#options;
    return fetch(this.#url, { ...options(verb, JSON.stringify(body)), signal });
  }

  /**
   * A request that is given up after so many milliseconds, and with the socket.
   *
   * @param {number} milliseconds
   */
  #begin(milliseconds) {
    const controller = new AbortController();
    this.#requests.add(controller);
    const asked = {
      signal: controller.signal,
      isLate: false,
      wait: (/** @type {number} */ time) => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          asked.isLate = true;
          controller.abort();
        }, time);
      },
      end: () => {
        clearTimeout(timer);
        controller.abort(); // else a stream that is not read to its end would stay open
        this.#requests.delete(controller);
      },
    };
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    asked.wait(milliseconds);
    return asked;
  }
}

/**
 * @param {string} verb
 * @param {string} body
 * @returns {RequestInit}
 */
function options(verb, body) {
  return {
    method: "POST",
    headers: { "Content-Type": "application/json", "Channels-Workers-Transport": verb },
    body,
    cache: "no-store",
    credentials: "same-origin",
    redirect: "error",
  };
}

/** @param {Response} response */
function isJson(response) {
  return (response.headers.get("Content-Type") ?? "").startsWith("application/json");
}

/** @param {Response} response */
async function failure(response) {
  await response.body?.cancel().catch(() => {});
  const after = response.headers.get("Retry-After");
  const reason = after ? `retry-after: ${after}` : "";
  return new Failure(response.ok ? 404 : response.status, isJson(response), reason);
}

/**
 * @param {string | Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>} data
 * @returns {Frame | Promise<Frame>}
 */
function toFrame(data) {
  if (data instanceof Blob) return data.arrayBuffer().then(toBase64);
  if (data instanceof ArrayBuffer) return toBase64(data.slice(0));
  if (ArrayBuffer.isView(data)) {
    const { buffer, byteOffset, byteLength } = data;
    return toBase64(buffer.slice(byteOffset, byteOffset + byteLength));
  }
  const text = String(data);
  // As a WebSocket does, it replaces halves of characters.
  return /\p{Surrogate}/u.test(text) ? new TextDecoder().decode(new TextEncoder().encode(text)) : text;
}

/** @param {ArrayBuffer} buffer */
function toBase64(buffer) {
  const bytes = new Uint8Array(buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8_192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return { bytes: btoa(text) };
}

/** @param {Frame | Promise<Frame>} frame */
function sizeOf(frame) {
  if (frame instanceof Promise) return 0;
  return typeof frame === "string" ? frame.length : frame.bytes.length;
}

/**
 * Wait, longer after each failure; a part is random.
 *
 * @param {number} failures
 */
function pause(failures) {
  const time = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures) * (0.5 + Math.random() / 2);
  return new Promise((resolve) => setTimeout(resolve, time));
}
