/** Shows the state of the connection, with the seconds to the next attempt. */

import { on, one } from "./dom.js";
import { t } from "./texts.js";

export class Status {
  #element;
  #state = null;

  constructor(element, onNow) {
    this.#element = element;
    on(one(element, "button"), "click", onNow);
    setInterval(() => this.#count(), 250);
  }

  show(state) {
    this.#state = state;
    this.#element.dataset.state = state.name === "closed" ? "lost" : state.name;
    this.#element.classList.toggle("again", Boolean(state.isAgain));
    one(this.#element, ".what").textContent = words(state);
    this.#element.title = state.name === "lost" ? t("Closed with the code {code}", state) : "";
    one(this.#element, "button").hidden = state.name !== "lost";
    this.#count();
  }

  /** In its own element, or a screen reader would speak each second. */
  #count() {
    const { name, retryAt } = this.#state ?? {};
    const seconds = Math.max(0, Math.ceil((retryAt - performance.now()) / 1000));
    const text = name === "lost" ? t("Next try in {seconds} s", { seconds }) : "";
    one(this.#element, ".when").textContent = text;
  }
}

function words({ name, isAgain }) {
  if (name === "open") return t("Connected");
  if (name === "closed") return t("Closed");
  if (name === "connecting") return isAgain ? t("Connecting again…") : t("Connecting…");
  return navigator.onLine ? t("Connection lost.") : t("You are offline.");
}
