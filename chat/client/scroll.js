/**
 * Keeps the view at the newest message while the reader is there, and in place while the reader is
 * further up.
 *
 * `onMove()` is called when the view has moved, `onEdge("start" | "end")` when it comes near an end
 * of the window.
 */

import { on, one } from "./dom.js";

const NEAR_END = 48;
// Pixels of the log that are ready above and below the view.
const AHEAD = 1_000;

export class Scroll {
  #view;
  #list;
  #onMove;
  #onEdge;
  #isAtEnd = true;
  #top = 0;

  constructor(view, list, { onMove, onEdge }) {
    this.#view = view;
    this.#list = list;
    this.#onMove = onMove;
    this.#onEdge = onEdge;
    on(view, "scroll", () => this.#look());
    // New messages, an open keyboard and a rotated phone all change one of the two sizes.
    const observer = new ResizeObserver(() => this.#isAtEnd && this.toEnd());
    observer.observe(view);
    observer.observe(list);
  }

  get isAtEnd() {
    return this.#isAtEnd;
  }

  toEnd() {
    this.#isAtEnd = true;
    this.#view.scrollTop = this.#view.scrollHeight;
    this.#top = this.#view.scrollTop;
    this.#onMove();
  }

  /** Bring an item into view. */
  to(item) {
    this.#isAtEnd = false;
    item.scrollIntoView({ block: "center" });
  }

  /** Change the list without moving the view. */
  keep(change) {
    const edge = this.#view.getBoundingClientRect().top;
    // Not the item: the line of its day may vanish above its text.
    const texts = [...this.#list.children].map((item) => one(item, ".text"));
    const anchor = texts.find((text) => text.getBoundingClientRect().bottom > edge);
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (!anchor?.isConnected || this.#isAtEnd) return;
    this.#view.scrollTop += anchor.getBoundingClientRect().top - before;
    this.#top = this.#view.scrollTop;
  }

  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.#view;
    const below = scrollHeight - scrollTop - clientHeight;
    // Only people scroll up. The end may also have moved before this event arrived.
    if (scrollTop < this.#top) this.#isAtEnd = false;
    if (below < NEAR_END) this.#isAtEnd = true;
    this.#top = scrollTop;
    if (below < AHEAD) this.#onEdge("end");
    if (scrollTop < AHEAD) this.#onEdge("start");
    this.#onMove();
  }
}
