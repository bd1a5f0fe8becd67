/**
 * The visible list of messages: a window on the stored ones and, after the last of them, those that
 * are still being sent.
 *
 * The window has a few hundred messages, however many the page has. Scrolling adds some at one end and
 * removes some at the other.
 */

import { dayOf, now } from "./dates.js";
import { fill, markNew, place, read, setTrouble } from "./item.js";
import { Messages } from "./messages.js";

// Most messages in the window, and how many are added at a time.
const MOST = 300;
const STEP = 50;
// Most messages that a tab keeps.
const LONGEST = 20_000;

export class Log {
  messages = new Messages();
  #list;
  #template;
  #me;
  #decorate;
  #items = new Map();
  #pending = new Map();
  #start = 0;
  #newId = null;
  #today = dayOf(now());

  /** `me.who` is the reader. `decorate(item, message)` adds the actions of a message. */
  constructor(list, template, { me, decorate }) {
    this.#list = list;
    this.#template = template;
    this.#me = me;
    this.#decorate = decorate;
    for (const item of list.children) {
      const message = read(item);
      this.messages.add(message);
      this.#items.set(message.id, item);
      this.#fill(item, message);
    }
    this.#placeAll();
  }

  get isEmpty() {
    return this.messages.count + this.#pending.size === 0;
  }

  /** Whether the window reaches the last message, or the first one. */
  get showsEnd() {
    return this.#end === this.messages.count;
  }

  get showsStart() {
    return this.#start === 0;
  }

  get #end() {
    return this.#start + this.#items.size;
  }

  itemOf(id) {
    return this.#items.get(id);
  }

  /** The id of the last message that is so much older than the newest; 0 without one. */
  idBefore(milliseconds) {
    const newest = Date.parse(this.messages.last?.timestamp);
    const isOld = (message) => newest - Date.parse(message.timestamp) > milliseconds;
    return this.messages.findLast(isOld)?.id ?? 0;
  }

  /** Add or update a stored message. Return whether it is new. */
  add(message) {
    if (this.messages.get(message.id)) {
      this.remove(message.nonce);
      this.update(message);
      return false;
    }
    const shownToEnd = this.showsEnd;
    const index = this.messages.add(message);
    const sent = this.#pending.get(message.nonce)?.item;
    this.#pending.delete(message.nonce);
    const isAbove = index < this.#start;
    if (isAbove) this.#start += 1;
    if (isAbove || index > this.#end || (index === this.#end && !shownToEnd)) sent?.remove();
    else this.#show(index, message, sent);
    return true;
  }

  /** Add messages from before the first one, and show some of them. */
  addEarlier(messages) {
    for (const message of messages) {
      if (this.messages.get(message.id)) continue;
      this.messages.add(message);
      this.#start += 1;
    }
    this.showEarlier();
  }

  /** Show an edit or a deletion. Return false if the message is not here or up to date. */
  update(message) {
    if (!this.messages.update(message)) return false;
    const item = this.#items.get(message.id);
    if (!item) return true;
    this.#fill(item, message);
    const index = this.messages.indexOf(message.id);
    this.#placeAt(index);
    this.#placeAt(index + 1);
    return true;
  }

  /** Show or update an entry of the outbox. `actions` are [label, function]. */
  show(entry, actions = []) {
    const known = this.#pending.get(entry.nonce);
    const item = known?.item ?? this.#make();
    const timestamp = known?.message.timestamp ?? new Date(now()).toISOString();
    const message = { ...entry, ...this.#me, handle: entry.handle, timestamp };
    item.dataset.nonce = entry.nonce;
    item.dataset.state = entry.state;
    fill(item, message, this.#me);
    setTrouble(item, entry.state === "sending" ? "" : entry.detail, actions);
    if (!item.isConnected) this.#list.append(item);
    this.#pending.set(entry.nonce, { item, message });
    this.#placePending();
  }

  /** Remove an entry of the outbox. */
  remove(nonce) {
    this.#pending.get(nonce)?.item.remove();
    if (this.#pending.delete(nonce)) this.#placePending();
  }

  /** Show more above and less at the end. Return false if there are no more. */
  showEarlier() {
    const count = Math.min(STEP, this.#start);
    for (let left = count; left > 0; left -= 1) {
      const message = this.messages.at(this.#start - 1);
      this.#list.prepend(this.#itemFor(message));
      this.#start -= 1;
    }
    while (this.#items.size > MOST) this.#hide(this.#end - 1);
    for (let index = this.#start; index <= this.#start + count; index += 1) this.#placeAt(index);
    return count > 0;
  }

  /** Show more at the end and less above. Return false if there are no more. */
  showLater() {
    const until = Math.min(this.#end + STEP, this.messages.count);
    const from = this.#end;
    const next = this.#firstPending;
    for (let index = from; index < until; index += 1) {
      this.#list.insertBefore(this.#itemFor(this.messages.at(index)), next);
    }
    while (this.#items.size > MOST) this.#hide(this.#start++);
    for (let index = from; index < until; index += 1) this.#placeAt(index);
    this.#placePending();
    return until > from;
  }

  /** Shorten a long window at the end, which the reader does not see. */
  trimEnd() {
    while (this.#items.size > 2 * MOST) this.#hide(this.#end - 1);
  }

  /** Shorten a long window above, and forget old messages. Return whether it did. */
  trim() {
    while (this.#items.size > MOST) this.#hide(this.#start++);
    const surplus = this.messages.count - LONGEST;
    if (surplus < STEP || this.#start < surplus) return false;
    this.messages.drop(surplus);
    this.#start -= surplus;
    return true;
  }

  /** Show the last messages. */
  showTheEnd() {
    if (this.showsEnd) return;
    for (const item of this.#items.values()) item.remove();
    this.#items.clear();
    this.#start = Math.max(0, this.messages.count - 2 * STEP);
    while (this.showLater());
  }

  /** Mark the first unread message; null for none. */
  setNew(id) {
    const items = [this.#newId, id].map((each) => this.#items.get(each));
    this.#newId = id;
    if (items[0]) markNew(items[0], false);
    if (items[1]) markNew(items[1], true);
  }

  /** Render all again: the reader has changed, or the day. */
  refresh() {
    this.#today = dayOf(now());
    for (const [id, item] of this.#items) this.#fill(item, this.messages.get(id));
    for (const { item, message } of this.#pending.values()) {
      Object.assign(message, this.#me, { handle: message.handle });
      fill(item, message, this.#me);
    }
    this.#placeAll();
  }

  /** At midnight "today" becomes "yesterday". */
  tick() {
    if (dayOf(now()) !== this.#today) this.refresh();
    else for (const [id, item] of this.#items) this.#decorate(item, this.messages.get(id));
  }

  get #firstPending() {
    return this.#pending.values().next().value?.item ?? null;
  }

  #make() {
    return this.#template.content.firstElementChild.cloneNode(true);
  }

  #itemFor(message) {
    const item = this.#make();
    this.#items.set(message.id, item);
    this.#fill(item, message);
    return item;
  }

  #fill(item, message) {
    item.dataset.id = message.id;
    delete item.dataset.state;
    fill(item, message, this.#me);
    setTrouble(item, "");
    markNew(item, message.id === this.#newId);
    this.#decorate(item, message);
  }

  /** Insert a message at the place of its id. Items in place stay. */
  #show(index, message, sent) {
    const item = sent ?? this.#make();
    const following = this.messages.at(index + 1);
    const next = (following && this.#items.get(following.id)) ?? this.#firstPending;
    this.#items.set(message.id, item);
    this.#fill(item, message);
    if (!item.isConnected || item.nextElementSibling !== next) this.#list.insertBefore(item, next);
    this.#placeAt(index);
    this.#placeAt(index + 1);
    this.#placePending();
  }

  #hide(index) {
    const { id } = this.messages.at(index);
    this.#items.get(id).remove();
    this.#items.delete(id);
  }

  #placeAt(index) {
    const message = this.messages.at(index);
    const item = message && this.#items.get(message.id);
    if (item) place(item, message, this.messages.at(index - 1));
  }

  #placePending() {
    let previous = this.messages.last;
    for (const { item, message } of this.#pending.values()) {
      place(item, message, previous);
      previous = message;
    }
  }

  #placeAll() {
    for (let index = this.#start; index < this.#end; index += 1) this.#placeAt(index);
    this.#placePending();
  }
}
