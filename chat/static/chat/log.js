/**
 * The list of messages: stored ones by id, and after them those that are still being sent.
 *
 * Its items are made from the page's own template, the same that the server fills for the history.
 */

import { withLinks } from "./links.js";

const HUES = 8;
// Messages of one person in so short a time stand under one name.
const TOGETHER = 5 * 60_000;
// A tab that is open for days keeps its last ones.
const MOST = 2_000;

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export class Log {
  #list;
  #template;
  #byId = new Map();
  #byNonce = new Map();

  constructor(list, template) {
    this.#list = list;
    this.#template = template;
    for (const item of list.children) {
      this.#byId.set(Number(item.dataset.id), item);
      dress(item, item.querySelector("time").dateTime);
    }
    for (const item of list.children) place(item);
  }

  get size() {
    return this.#byId.size;
  }

  get ids() {
    return this.#stored.map((item) => Number(item.dataset.id));
  }

  /** The id of the last message that is older than the newest by so much; 0 if there is none. */
  idBefore(milliseconds) {
    const stored = this.#stored;
    const isOld = (item) => momentOf(stored.at(-1)) - momentOf(item) > milliseconds;
    return Number(stored.findLast(isOld)?.dataset.id ?? 0);
  }

  get nonces() {
    return [...this.#list.children].map((item) => item.dataset.nonce).filter(Boolean);
  }

  /** Show a stored message where its id belongs; false if it is there already. */
  add({ id, handle, message, timestamp, nonce }) {
    if (this.#byId.has(id)) return false;
    const item = this.#byNonce.get(nonce) ?? this.#make(handle, message);
    this.#byNonce.delete(nonce);
    item.querySelector(".trouble")?.remove();
    delete item.dataset.state;
    item.dataset.id = id;
    this.#byId.set(id, item);
    dress(item, timestamp);
    this.#insert(item, id);
    return true;
  }

  /** Show a message of the outbox, or what has become of it; `actions` are [label, function]. */
  show({ nonce, handle, message, state, detail }, actions = []) {
    const item = this.#byNonce.get(nonce) ?? this.#make(handle, message);
    item.dataset.nonce = nonce;
    item.dataset.state = state;
    item.querySelector(".trouble")?.remove();
    if (state !== "sending") item.querySelector(".said").append(trouble(detail, actions));
    if (!item.isConnected) this.#list.append(item);
    this.#byNonce.set(nonce, item);
    dress(item, new Date().toISOString());
    place(item);
  }

  remove(nonce) {
    const item = this.#byNonce.get(nonce);
    const next = item?.nextElementSibling;
    item?.remove();
    this.#byNonce.delete(nonce);
    if (next) place(next);
  }

  /** Drop the oldest when there are too many; true if some went. */
  trim() {
    if (this.#byId.size <= MOST) return false;
    for (const id of this.ids.slice(0, MOST / 2)) {
      this.#byId.get(id).remove();
      this.#byId.delete(id);
    }
    place(this.#list.firstElementChild);
    return true;
  }

  get #stored() {
    return [...this.#list.children].filter((item) => "id" in item.dataset);
  }

  #make(handle, message) {
    const item = this.#template.content.firstElementChild.cloneNode(true);
    item.querySelector(".handle").textContent = handle;
    item.querySelector(".text").textContent = message;
    return item;
  }

  /** Before the first item that is being sent or has a higher id; what is in place stays. */
  #insert(item, id) {
    let next = null;
    let previous = this.#list.lastElementChild;
    while (previous && (previous === item || !(Number(previous.dataset.id) < id))) {
      if (previous !== item) next = previous;
      previous = previous.previousElementSibling;
    }
    if (!item.isConnected || item.nextElementSibling !== next) this.#list.insertBefore(item, next);
    place(item);
    if (next) place(next);
  }
}

/** Local time, links, and the first letter of the name in a colour that stays the person's. */
function dress(item, timestamp) {
  const handle = item.querySelector(".handle").textContent;
  const text = item.querySelector(".text");
  const clock = item.querySelector("time");
  const avatar = item.querySelector(".avatar");
  clock.dateTime = timestamp;
  clock.textContent = time.format(new Date(timestamp));
  clock.title = moment.format(new Date(timestamp));
  avatar.textContent = [...handle][0]?.toUpperCase() ?? "";
  avatar.dataset.hue = hue(handle);
  text.replaceChildren(withLinks(text.textContent));
}

/** Whether it begins a day, and whether it follows another message of the same person. */
function place(item) {
  const previous = item.previousElementSibling;
  const [today, before] = [item, previous].map((each) => each && day.format(momentOf(each)));
  if (today === before) delete item.dataset.day;
  else item.dataset.day = today;
  item.classList.toggle("follows", today === before && isTogether(previous, item));
}

function isTogether(previous, item) {
  const [first, second] = [previous, item].map((each) => each.querySelector(".handle").textContent);
  return first === second && momentOf(item) - momentOf(previous) < TOGETHER;
}

function momentOf(item) {
  return new Date(item.querySelector("time").dateTime);
}

function hue(handle) {
  let sum = 0;
  for (const character of handle) sum = (sum * 31 + character.codePointAt(0)) % 9973;
  return sum % HUES;
}

function trouble(detail, actions) {
  const line = document.createElement("p");
  line.className = "trouble";
  line.append(detail);
  for (const [label, act] of actions) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "link";
    button.textContent = label;
    button.addEventListener("click", act);
    line.append(" ", button);
  }
  return line;
}
