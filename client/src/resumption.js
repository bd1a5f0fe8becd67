/** Lets a Connection go on with the same connection of the server on another socket. */

/**
 * @typedef {object} Answer
 * @property {boolean} isOwn the frame is for this module alone
 * @property {{resumed: boolean, gap?: boolean, lost?: number}} state details of the state `open`
 */

/** The subprotocol that the server answers with. */
const PROTOCOL = "channels-workers.v1";
/** How frames of the engine begin. They are not counted. */
const ENGINE = '{"type": "channels_workers.';
const ANSWER = '{"type": "channels_workers.resume"';
/** The close code of a socket that another one of the same connection has replaced. */
const REPLACED = 4022;

/** What a Connection remembers for that: pass one as its option `resume`. */
export class Resumption {
  #token = "";
  /** A socket asks to go on, and its first frame has not come. */
  #isAsking = false;
  #received = 0;
  /** The newest frames that were sent, and how many older ones are forgotten. */
  /** @type {(string | ArrayBuffer)[]} */
  #sent = [];
  #forgotten = 0;
  #size = 0;
  #limit;

  /** @param {number} [limit] how many bytes of sent frames to keep */
  constructor(limit = 262_144) {
    this.#limit = limit;
  }

  /** Whether nothing may be sent yet, because the server has not said what it has. */
  get isAsking() {
    return this.#isAsking;
  }

  /**
   * The subprotocols to offer.
   *
   * @param {string[]} others
   */
  offer(others) {
    const own = this.#token ? `resume.${this.#token}.${this.#received}` : "resume";
    this.#isAsking = this.#token !== "";
    if (!this.#token) this.#reset();
    return [...new Set([PROTOCOL, ...others, own])];
  }

  /**
   * Keep a frame that was sent.
   *
   * @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} data
   */
  keep(data) {
    const kept = copied(data);
    this.#sent.push(kept);
    this.#size += sizeOf(kept);
    while (this.#size > this.#limit) this.#forget();
  }

  /**
   * Count a frame that has come. Returns what the first frame of a socket says.
   *
   * @param {string | ArrayBuffer} data
   * @returns {Answer | undefined}
   */
  take(data) {
    const isAnswer = typeof data === "string" && data.startsWith(ANSWER);
    const answer = isAnswer ? this.#answered(JSON.parse(data)) : this.#isAsking && this.#denied();
    this.#isAsking = false;
    if (typeof data !== "string" || !data.startsWith(ENGINE)) this.#received++;
    return answer || undefined;
  }

  /** The frames to send again after the answer. */
  get unconfirmed() {
    return [...this.#sent];
  }

  /**
   * Begin with a new connection next time, if the socket ended with such a code.
   *
   * @param {number} code
   */
  end(code) {
    if ([1000, 1001, REPLACED].includes(code)) this.#token = "";
  }

  /** Begin with a new connection next time: the server has accepted the socket, and does not answer. */
  giveUp() {
    if (this.#isAsking) this.#token = "";
  }

  /**
   * @param {{token: string, resumed: boolean, received?: number, gap?: boolean}} answer
   * @returns {Answer}
   */
  #answered({ token, resumed, received = 0, gap = false }) {
    if (this.#isAsking && !resumed) this.#reset();
    this.#token = token;
    if (!resumed) return { isOwn: true, state: { resumed } };
    while (this.#sent.length && this.#forgotten < received) this.#forget();
    const lost = Math.max(0, this.#forgotten - received);
    this.#forgotten = received;
    return { isOwn: true, state: { resumed, gap, lost } };
  }

  /** @returns {Answer} */
  #denied() {
    this.#token = "";
    this.#reset();
    return { isOwn: false, state: { resumed: false } };
  }

  #forget() {
    this.#forgotten++;
    this.#size -= sizeOf(/** @type {string | ArrayBuffer} */ (this.#sent.shift()));
  }

  #reset() {
    this.#received = this.#forgotten = this.#size = 0;
    this.#sent = [];
  }
}

/** @param {string | ArrayBuffer} data */
const sizeOf = (data) => (typeof data === "string" ? data.length : data.byteLength);

/**
 * The page may change a buffer after it has sent it.
 *
 * @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} data
 */
function copied(data) {
  if (typeof data === "string") return data;
  if (data instanceof ArrayBuffer) return data.slice(0);
  return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
}
