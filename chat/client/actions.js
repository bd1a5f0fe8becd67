/**
 * The actions of a message: a button in each message that the reader may edit or delete, one menu
 * for all of them, and a confirmation before a deletion.
 */

import { now } from "./dates.js";
import { find, makeButton, on, one } from "./dom.js";
import { t } from "./texts.js";

export class Actions {
  #menu;
  #dialog;
  #me;
  #editTime;
  #messageOf;
  #onDelete;
  #view = find("scroll");
  #message = null;
  #opener = null;

  /** `messageOf(id)` returns the current state of a message. */
  constructor({ menu, dialog, me, editTime, messageOf, onEdit, onDelete }) {
    this.#menu = menu;
    this.#dialog = dialog;
    this.#me = me;
    this.#editTime = editTime;
    this.#messageOf = messageOf;
    this.#onDelete = onDelete;
    on(this.#item("edit"), "click", () => this.#choose(onEdit));
    on(this.#item("delete"), "click", () => this.#choose((each) => this.sure(each)));
    on(menu, "keydown", (event) => this.#key(event));
    on(menu, "focusout", (event) => this.#leave(event));
    on(dialog, "close", () => this.#answer());
    on(document, "pointerdown", (event) => this.#pointElsewhere(event));
    on(this.#view, "scroll", () => this.#follow());
  }

  canEdit(message) {
    const isRecent = now() - Date.parse(message.timestamp) < this.#editTime;
    return !message.deleted && message.who === this.#me.who && isRecent;
  }

  canDelete(message) {
    return !message.deleted && (this.#me.isStaff || this.canEdit(message));
  }

  /** Add the button to the item of a message, or remove it. */
  decorate(item, message) {
    const button = one(item, ".more");
    if (this.canDelete(message)) return button ?? item.append(this.#makeButton(item));
    // Otherwise the focus would vanish with the button.
    if (button && button === document.activeElement) this.#view.focus();
    button?.remove();
  }

  /** Ask before a message is deleted. */
  sure(message) {
    this.#message = message;
    one(this.#dialog, "blockquote").textContent = message.message;
    this.#dialog.returnValue = "";
    this.#dialog.showModal();
  }

  #makeButton(item) {
    const toggle = () => this.#toggle(button, Number(item.dataset.id));
    const button = makeButton("more", "", toggle);
    button.title = button.ariaLabel = t("What to do with this message");
    button.ariaHasPopup = "menu";
    button.ariaExpanded = "false";
    return button;
  }

  #item(name) {
    return one(this.#menu, `[data-action="${name}"]`);
  }

  get #shown() {
    return [...this.#menu.children].filter((each) => !each.hidden);
  }

  #toggle(button, id) {
    const isOpen = this.#opener === button;
    this.#close();
    if (isOpen) return;
    this.#message = this.#messageOf(id);
    this.#opener = button;
    button.ariaExpanded = "true";
    this.#item("edit").hidden = !this.canEdit(this.#message);
    this.#menu.hidden = false;
    this.#put(button.getBoundingClientRect());
    this.#shown[0].focus();
  }

  /** Below the button, or above it without space below. */
  #put({ top, bottom, left, right }) {
    const { offsetHeight: height, offsetWidth: width, style } = this.#menu;
    style.top = `${bottom + height < window.innerHeight ? bottom : top - height}px`;
    const isFromLeft = left + width < window.innerWidth;
    style.left = `${Math.max(0, isFromLeft ? left : right - width)}px`;
  }

  /** New messages move the log. The menu stays at its button while the button is visible. */
  #follow() {
    if (!this.#opener) return;
    const place = this.#opener.getBoundingClientRect();
    const { top, bottom } = this.#view.getBoundingClientRect();
    if (place.bottom > top && place.top < bottom) this.#put(place);
    else this.#close();
  }

  #close() {
    if (!this.#opener) return;
    const opener = this.#opener;
    this.#opener = null;
    opener.ariaExpanded = "false";
    if (this.#menu.contains(document.activeElement)) {
      opener.focus({ preventScroll: true });
    }
    this.#menu.hidden = true;
  }

  #choose(act) {
    const message = this.#message;
    this.#opener?.focus();
    this.#close();
    act(message);
  }

  #key(event) {
    const { key } = event;
    const items = this.#shown;
    const index = items.indexOf(document.activeElement);
    const steps = { ArrowDown: index + 1, ArrowUp: index - 1 + items.length, Home: 0, End: -1 };
    if (key in steps) items.at(steps[key] % items.length).focus();
    else if (key === "Escape") this.#choose(() => {});
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #leave({ relatedTarget }) {
    if (relatedTarget && relatedTarget !== this.#opener && !this.#menu.contains(relatedTarget)) {
      this.#close();
    }
  }

  #pointElsewhere({ target }) {
    if (!this.#menu.contains(target) && !this.#opener?.contains(target)) this.#close();
  }

  #answer() {
    if (this.#dialog.returnValue === "delete") this.#onDelete(this.#message);
  }
}
