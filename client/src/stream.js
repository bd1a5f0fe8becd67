/** The messages of one stream of a Client. */

import { Emitter } from "./emitter.js";

/**
 * @template [In=any] the payload of messages from the server
 * @template [Out=any] the payload of messages to it
 * @template [Reply=any] the payload of its replies
 * @extends {Emitter<{message: import("./group.js").Message<In>}>}
 */
export class Stream extends Emitter {
  #client;
  #options;

  /**
   * @param {import("./client.js").Client} client
   * @param {string} stream
   */
  constructor(client, stream) {
    super();
    this.#client = client;
    this.#options = { stream };
  }

  get name() {
    return this.#options.stream;
  }

  /**
   * As `Client.send`.
   *
   * @param {Out} payload
   */
  send(payload) {
    return this.#client.send(payload, this.#options);
  }

  /**
   * As `Client.sendReliably`.
   *
   * @param {Out} payload
   */
  sendReliably(payload) {
    return this.#client.sendReliably(payload, this.#options);
  }

  /**
   * As `Client.request`.
   *
   * @template {Reply} [Answer=Reply]
   * @param {Out} payload
   * @param {Omit<import("./client.js").RequestOptions, "stream">} [options]
   * @returns {Promise<Answer>}
   */
  request(payload, options) {
    return this.#client.request(payload, { ...options, ...this.#options });
  }
}
