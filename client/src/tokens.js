/** Tokens for clients without cookies of the site: how they travel, and when they are renewed. */

export const TYPE = "channels_workers.token";
// What `setTimeout` takes, in milliseconds. It would run at once for more.
const LONGEST = 2 ** 31 - 1;
// Milliseconds between two tokens, however soon they expire.
const PAUSE = 5_000;

/**
 * The subprotocol that carries a token. Offer another one beside it, as servers never answer with a token.
 *
 * @param {string} token
 */
export function tokenProtocol(token) {
  const text = btoa(token).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  return `token.${text}`;
}

/** Renews the token of a connection before it expires, as long as the connection lasts. */
export class Renewal {
  #token;
  #send;
  #onError;
  #current = "";
  /** Counts connections. A token that comes late may belong to an earlier one. */
  #round = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {() => Promise<string | null | undefined> | string | null | undefined} token
   * @param {(frame: object) => boolean} send
   * @param {(error: any) => void} onError
   */
  constructor(token, send, onError) {
    this.#token = token;
    this.#send = send;
    this.#onError = onError;
  }

  /** A token for a handshake; "" if there is none any more. */
  async fetch() {
    return (this.#current = (await this.#token()) || "");
  }

  /** The connection is open. Only the server knows when the token expires, so it gets it once more. */
  begin() {
    this.end();
    this.#say(this.#current);
  }

  /** The connection has ended. */
  end() {
    this.#round++;
    clearTimeout(this.#timer);
  }

  /**
   * The server has taken a token. It says after how many `seconds` that expires: the clocks may differ.
   *
   * @param {{expires?: number | null, seconds?: number | null}} answer
   */
  taken({ expires, seconds = expires && expires - Date.now() / 1_000 }) {
    clearTimeout(this.#timer);
    if (Number.isFinite(seconds)) this.#wait(performance.now() + Math.max(PAUSE, Number(seconds) * 750));
  }

  /** @param {number} due */
  #wait(due) {
    const left = due - performance.now();
    this.#timer = setTimeout(
      () => (left > LONGEST ? this.#wait(due) : this.#renew()),
      Math.min(left, LONGEST),
    );
  }

  async #renew() {
    const round = this.#round;
    try {
      const token = await this.fetch();
      if (token && round === this.#round) this.#say(token);
    } catch (error) {
      if (round !== this.#round) return;
      this.#onError(error);
      // Until the server closes the socket.
      this.#wait(performance.now() + PAUSE);
    }
  }

  /** @param {string} token */
  #say(token) {
    this.#send({ type: TYPE, token });
  }
}
