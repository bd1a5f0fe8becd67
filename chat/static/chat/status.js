/** Shows the state of the connection, with the seconds to the next try while there is none. */

const WORDS = { connecting: "Connecting…", open: "Connected", closed: "Closed" };

export class Status {
  #element;
  #state = null;

  constructor(element) {
    this.#element = element;
    setInterval(() => this.#count(), 250);
  }

  show(state) {
    this.#state = state;
    this.#element.dataset.state = state.name === "closed" ? "lost" : state.name;
    this.#element.querySelector(".what").textContent = WORDS[state.name] ?? "Connection lost.";
    this.#element.title = state.name === "lost" ? `Closed with the code ${state.code}` : "";
    this.#element.querySelector("button").hidden = state.name !== "lost";
    this.#count();
  }

  /** Apart from the words, or a screen reader would speak each second. */
  #count() {
    const { name, retryAt } = this.#state ?? {};
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    const words = name === "lost" ? `Next try in ${seconds} s` : "";
    this.#element.querySelector(".when").textContent = words;
  }
}
