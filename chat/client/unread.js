/**
 * Unread messages: the count in the title and on the button that leads down, and the line above the
 * first one in the log.
 */

import { one } from "./dom.js";
import { recall, remember } from "./memory.js";
import { t } from "./texts.js";

export class Unread {
  #log;
  #scroll;
  #button;
  #key;
  #title = document.title;
  #count = 0;

  constructor(label, { log, scroll, button }) {
    this.#key = `chat.read.${label}`;
    this.#log = log;
    this.#scroll = scroll;
    this.#button = button;
  }

  /** Restore the line from the last visit. */
  begin() {
    const read = recall("localStorage", this.#key);
    const { messages } = this.#log;
    const next = read && messages.at(messages.indexOf(read + 1));
    if (next) this.#log.setNew(next.id);
    this.look();
  }

  /** A message of somebody else arrived. */
  count(message) {
    if (this.#isSeen) return this.#remember();
    if (this.#count === 0) this.#log.setNew(message.id);
    this.#count += 1;
    this.#show();
  }

  /** The reader wrote a message, so all messages are read. */
  clear() {
    this.#log.setNew(null);
  }

  /** The view has moved, or the page has become visible. */
  look() {
    if (this.#isSeen) {
      this.#count = 0;
      this.#remember();
    }
    this.#show();
  }

  get #isSeen() {
    return !document.hidden && this.#scroll.isAtEnd && this.#log.showsEnd;
  }

  #remember() {
    const read = recall("localStorage", this.#key) ?? 0;
    const last = this.#log.messages.last?.id ?? 0;
    if (last > read) remember("localStorage", this.#key, last);
  }

  #show() {
    const count = this.#count;
    document.title = count ? `(${count}) ${this.#title}` : this.#title;
    this.#button.hidden = this.#scroll.isAtEnd && this.#log.showsEnd;
    const text = count === 1 ? t("1 new message") : t("{count} new messages", { count });
    one(this.#button, "span").textContent = count ? text : t("To the newest");
    this.#button.classList.toggle("has-new", count > 0);
  }
}
