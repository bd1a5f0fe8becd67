/** The groups of a client, over all its connections. */

import { Group } from "./group.js";

/** @typedef {import("./group.js").Message} Message */
/** @typedef {import("./requests.js").Requests} Requests */

export class Groups {
  /** @type {Map<string, Group>} */
  #groups = new Map();
  /** Groups to leave when a resumed connection is back. @type {Set<string>} */
  #left = new Set();
  /** Messages of groups whose names are not known yet. @type {Message[]} */
  #early = [];
  #requests;
  #isOpen;
  #onMessage;
  #onError;

  /**
   * @param {Requests} requests
   * @param {object} client
   * @param {() => boolean} client.isOpen
   * @param {(message: Message) => void} client.onMessage
   * @param {(error: import("./errors.js").ChannelsError) => void} client.onError
   */
  constructor(requests, { isOpen, onMessage, onError }) {
    this.#requests = requests;
    this.#isOpen = isOpen;
    this.#onMessage = onMessage;
    this.#onError = onError;
  }

  /**
   * @param {string} name
   * @param {import("./group.js").JoinOptions} options
   */
  join(name, options) {
    const found = this.#groups.get(name);
    if (found) return found;
    /** @type {Group} */
    const group = new Group(name, options, {
      ask: (question) => this.#requests.ask(question),
      onError: this.#onError,
      onRetry: () => this.#isOpen() && group.join(),
      onLeave: () => this.#groups.get(name) === group && this.#leave(name),
      onAlias: () => {
        for (const message of this.#early.splice(0)) this.take(message);
      },
    });
    this.#groups.set(name, group);
    this.#left.delete(name);
    if (this.#isOpen()) group.join();
    return group;
  }

  /** Join on a connection that is open. @param {import("./connection.js").State} state */
  begin({ resumed, gap, lost }) {
    const isBroken = gap || lost;
    if (!resumed || isBroken) this.#early = [];
    if (resumed) for (const name of this.#left) this.#askToLeave(name);
    this.#left.clear();
    for (const group of this.#groups.values()) {
      if (resumed && isBroken) group.rejoin();
      if (!resumed) group.lose();
      group.join();
    }
  }

  /** The client is closed. */
  end() {
    for (const group of this.#groups.values()) group.lose();
  }

  /** Pass a message to its group, and then on. @param {Message} message */
  take(message) {
    const groups = [...this.#groups.values()];
    const group = groups.find(({ alias }) => alias === message.group);
    if (group?.take(message) === false) return;
    if (!group && groups.some(({ isAsked }) => isAsked)) this.#early.push(message);
    else this.#onMessage(message);
  }

  /** @param {string} name */
  #leave(name) {
    this.#groups.delete(name);
    if (this.#isOpen()) this.#askToLeave(name);
    else this.#left.add(name);
  }

  /** @param {string} group */
  #askToLeave(group) {
    this.#requests.ask({ frame: { type: "leave", group }, onAnswer() {}, onError() {} });
  }
}
