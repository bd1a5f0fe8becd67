/** The form: a name, which the browser remembers, and what to say. */

import { recall, remember } from "./memory.js";

const HANDLE = "chat.handle";

export class Composer {
  #form;
  #handle;
  #text;
  #count;
  #limits;
  #onSay;
  #onTrouble;

  constructor(form, { limits, onSay, onTrouble }) {
    this.#form = form;
    this.#handle = form.querySelector("#handle");
    this.#text = form.querySelector("#text");
    this.#count = form.querySelector("#count");
    this.#limits = limits;
    this.#onSay = onSay;
    this.#onTrouble = onTrouble;
    this.#handle.value = recall("localStorage", HANDLE) ?? "";
    this.#handle.addEventListener("change", () => this.#rememberHandle());
    this.#handle.addEventListener("keydown", (event) => this.#enterInName(event));
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    this.#text.addEventListener("input", () => this.#resize());
    form.addEventListener("submit", (event) => this.#submit(event));
    // Where a finger points, a focus would bring up a keyboard that nobody asked for.
    const first = this.#handle.value ? this.#text : this.#handle;
    if (matchMedia("(pointer: fine)").matches) first.focus({ preventScroll: true });
  }

  /** Take a message back for editing. */
  edit({ handle, message }) {
    this.#handle.value = handle;
    this.#text.value = [message, this.#text.value].filter(Boolean).join("\n");
    this.#resize();
    this.#text.focus();
  }

  #enterInName(event) {
    if (event.key !== "Enter" || isComposing(event) || this.#text.value.trim()) return;
    event.preventDefault();
    if (this.#handle.value.trim()) this.#text.focus();
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  #submit(event) {
    event.preventDefault();
    const handle = this.#handle.value.trim();
    const message = this.#text.value.trim();
    const [field, sentence] = this.#problem(handle, message);
    this.#onTrouble(sentence);
    field.focus();
    if (field !== this.#text || sentence || !message) return;
    this.#rememberHandle();
    this.#text.value = "";
    this.#resize();
    this.#onSay(handle, message);
  }

  /** The field that needs a person, and why; the text without a reason if all is well. */
  #problem(handle, message) {
    const { handle: most, message: longest } = this.#limits;
    if (message && !handle) return [this.#handle, "Choose a name first."];
    if (lengthOf(handle) > most) return [this.#handle, `A name has up to ${most} characters.`];
    if (lengthOf(message) > longest)
      return [this.#text, `A message has up to ${longest} characters.`];
    return [this.#text, ""];
  }

  #rememberHandle() {
    remember("localStorage", HANDLE, this.#handle.value.trim());
  }

  /** As high as the text, and with a count as the limit comes near. */
  #resize() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
    const left = this.#limits.message - lengthOf(this.#text.value.trim());
    const isNear = left < this.#limits.message / 10;
    this.#count.textContent = isNear ? (left < 0 ? `${-left} too many` : `${left} left`) : "";
    this.#count.classList.toggle("over", left < 0);
  }
}

/** In characters as the server counts them, not in halves of emoji. */
function lengthOf(text) {
  return [...text].length;
}

/** Enter ends the composing of a character in many scripts; then it is no command. */
function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}
