/** The form: a name, which the browser remembers, and a new message or an edited one. */

import { on, one } from "./dom.js";
import { recall, remember } from "./memory.js";
import { t } from "./texts.js";

const HANDLE = "chat.handle";
// Milliseconds between two typing notices.
const TYPING = 3_000;

export class Composer {
  #form;
  #handle;
  #text;
  #key;
  #limits;
  #me;
  #handlers;
  #typedAt = -TYPING;
  #name;
  #editing = null;

  /**
   * `handlers` has say(handle, message), edit(message, text), remove(message), editLast(),
   * typing(), name(name) and trouble(sentence).
   */
  constructor(form, { label, limits, me, handlers }) {
    this.#form = form;
    this.#handle = one(form, "#handle");
    this.#text = one(form, "#text");
    this.#key = `chat.draft.${label}`;
    this.#limits = limits;
    this.#me = me;
    this.#handlers = handlers;
    this.#name = this.#handle.value = recall("localStorage", HANDLE) ?? "";
    this.#text.value = recall("sessionStorage", this.#key) ?? "";
    this.showAccount();
    on(this.#handle, "change", () => this.#rename());
    on(this.#handle, "keydown", (event) => this.#keyInName(event));
    on(this.#text, "keydown", (event) => this.#keyInText(event));
    on(this.#text, "input", () => this.#typed());
    on(form, "submit", (event) => this.#submit(event));
    on(one(form, "#cancel"), "click", () => this.stopEditing());
    this.#resize();
    // On touch screens the focus would open a keyboard.
    const first = this.handle ? this.#text : this.#handle;
    if (matchMedia("(pointer: fine)").matches) first.focus({ preventScroll: true });
  }

  /** The name of the reader: the account's, or the typed one. */
  get handle() {
    return this.#me.account ? this.#me.handle : this.#handle.value.trim();
  }

  /** The id of the message that is being edited, or undefined. */
  get editedId() {
    return this.#editing?.id;
  }

  focus() {
    this.#text.focus();
  }

  /** Put a failed message back into the field, before the text typed since. */
  takeBack({ handle, message }) {
    this.stopEditing();
    this.#handle.value = handle;
    this.#setText([message, this.#text.value].filter(Boolean).join("\n"));
    this.#saveDraft();
    this.focus();
  }

  /** Edit a message. The draft comes back afterwards. */
  edit(message, text = message.message) {
    if (!this.#editing) this.#saveDraft();
    this.#editing = message;
    this.#form.classList.add("editing");
    one(this.#form, "#editing").hidden = false;
    one(this.#form, "#send").textContent = t("Save");
    this.#setText(text);
    this.focus();
    this.#text.setSelectionRange(text.length, text.length);
  }

  /** Show the account's name in place of the field for a name, or the field. */
  showAccount() {
    const { account, handle } = this.#me;
    this.#handle.parentElement.hidden = account;
    const element = one(this.#form, "#account");
    element.hidden = !account;
    element.textContent = account ? handle : "";
  }

  /** Leave the message as it was. */
  stopEditing() {
    if (!this.#editing) return;
    this.#editing = null;
    this.#form.classList.remove("editing");
    one(this.#form, "#editing").hidden = true;
    one(this.#form, "#send").textContent = t("Send");
    this.#setText(recall("sessionStorage", this.#key) ?? "");
    this.#handlers.trouble("");
    this.focus();
  }

  #saveDraft() {
    remember("sessionStorage", this.#key, this.#text.value);
  }

  #keyInName(event) {
    if (event.key !== "Enter" || isComposing(event) || this.#text.value.trim()) return;
    event.preventDefault();
    if (this.handle) this.focus();
  }

  #keyInText(event) {
    if (isComposing(event)) return;
    if (event.key === "Escape") this.stopEditing();
    else if (event.key === "ArrowUp" && !this.#text.value && !this.#editing) {
      if (!this.#handlers.editLast()) return;
    } else if (event.key === "Enter" && !event.shiftKey) this.#form.requestSubmit();
    else return;
    event.preventDefault();
  }

  #typed() {
    this.#resize();
    if (this.#editing) return;
    this.#saveDraft();
    if (!this.#text.value.trim() || performance.now() - this.#typedAt < TYPING) return;
    this.#typedAt = performance.now();
    this.#handlers.typing();
  }

  #submit(event) {
    event.preventDefault();
    const { handle } = this;
    const message = this.#text.value.trim();
    const [field, sentence] = this.#problem(handle, message);
    this.#handlers.trouble(sentence);
    field.focus();
    if (this.#editing && !message) return this.#handlers.remove(this.#editing);
    if (field !== this.#text || sentence || !message) return;
    if (this.#editing) this.#save(message);
    else this.#say(handle, message);
  }

  #save(text) {
    const message = this.#editing;
    this.stopEditing();
    if (text !== message.message) this.#handlers.edit(message, text);
  }

  #say(handle, message) {
    this.#rename();
    this.#setText("");
    this.#saveDraft();
    this.#typedAt = -TYPING;
    this.#handlers.say(handle, message);
  }

  /** The field with a problem, and the problem; the text field and none if all is well. */
  #problem(handle, message) {
    const { handle: most, message: longest } = this.#limits;
    if (message && !handle) return [this.#handle, t("Choose a name first.")];
    if (lengthOf(handle) > most)
      return [this.#handle, t("A name has up to {count} characters.", { count: most })];
    if (lengthOf(message) > longest)
      return [this.#text, t("A message has up to {count} characters.", { count: longest })];
    return [this.#text, ""];
  }

  #rename() {
    const name = this.#handle.value.trim();
    if (this.#me.account || name === this.#name) return;
    this.#name = name;
    remember("localStorage", HANDLE, name);
    if (name) this.#handlers.name(name);
  }

  #setText(text) {
    this.#text.value = text;
    this.#resize();
  }

  /** Fit the height to the text, and show a count near the limit. */
  #resize() {
    const { style } = this.#text;
    style.height = "auto";
    style.height = `${this.#text.scrollHeight + 2}px`;
    const left = this.#limits.message - lengthOf(this.#text.value.trim());
    const isNear = left < this.#limits.message / 10;
    const words = left < 0 ? t("{count} too many", { count: -left }) : t("{count} left", { count: left });
    const count = one(this.#form, "#count");
    count.textContent = isNear ? words : "";
    count.classList.toggle("over", left < 0);
  }
}

/** The length in characters, as the server counts, not in halves of emoji. */
function lengthOf(text) {
  return [...text].length;
}

/** In many scripts Enter ends the composition of a character. Then it does not send. */
function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}
