/**
 * Keeps the view at the newest message while a person is there, and where it is while they read on
 * above; then a button leads back down.
 */

const NEAR = 48;

export class Scroll {
  #view;
  #button;
  #isAtEnd = true;
  #top = 0;

  constructor(view, list, button) {
    this.#view = view;
    this.#button = button;
    view.addEventListener("scroll", () => this.#look(), { passive: true });
    button.addEventListener("click", () => this.toEnd());
    // New messages, a keyboard that opens, a turned phone: all change one of the two sizes.
    const observer = new ResizeObserver(() => this.#isAtEnd && this.toEnd());
    observer.observe(view);
    observer.observe(list);
  }

  get isAtEnd() {
    return this.#isAtEnd;
  }

  toEnd() {
    this.#isAtEnd = true;
    this.#button.hidden = true;
    this.#view.scrollTop = this.#view.scrollHeight;
    this.#top = this.#view.scrollTop;
  }

  /** Something new came below. */
  announce() {
    this.#button.hidden = this.#isAtEnd;
  }

  /** Do something above what is seen, which stays where it is. */
  keep(change) {
    const fromEnd = this.#view.scrollHeight - this.#view.scrollTop;
    change();
    this.#view.scrollTop = this.#view.scrollHeight - fromEnd;
  }

  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.#view;
    // Only a person scrolls up. The end may also have moved on before this event arrived.
    if (scrollTop < this.#top) this.#isAtEnd = false;
    if (scrollHeight - scrollTop - clientHeight < NEAR) this.#isAtEnd = true;
    if (this.#isAtEnd) this.#button.hidden = true;
    this.#top = scrollTop;
  }
}
