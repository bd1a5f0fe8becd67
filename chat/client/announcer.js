/**
 * Announces new messages to screen readers, in a live region of its own. The log itself cannot be
 * one: it changes during scrolling, and history must not interrupt people.
 */

import { make } from "./dom.js";
import { t } from "./texts.js";

// Messages within this time are announced together.
const PAUSE = 400;
const MOST = 3;

export class Announcer {
  #region;
  #waiting = [];
  #timer = null;

  constructor(region) {
    this.#region = region;
  }

  announce({ handle, message }) {
    this.#waiting.push(t("{handle}: {message}", { handle, message: message.slice(0, 500) }));
    this.#timer ??= setTimeout(() => this.#speak(), PAUSE);
  }

  #speak() {
    const count = this.#waiting.length;
    const lines = count > MOST ? [t("{count} new messages", { count })] : this.#waiting;
    this.#region.replaceChildren(...lines.map((line) => make("p", "", line)));
    this.#waiting = [];
    this.#timer = null;
  }
}
