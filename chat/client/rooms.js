/** The list of rooms, busy ones first: who is in them, and when the last message was. */

import { exactTimeOf, timeSince } from "./dates.js";
import { on, one } from "./dom.js";
import { t } from "./texts.js";

const MOST = 20;

export class Rooms {
  #list;
  #template;
  #empty;
  #rooms = new Map();
  #isWhole = false;
  #isHeld = false;

  constructor(list, template, empty) {
    this.#list = list;
    this.#template = template;
    this.#empty = empty;
    for (const item of list.children) this.#rooms.set(item.dataset.label, { item, room: read(item) });
    // Do not move a room that somebody is about to click.
    on(list, "pointerenter", () => (this.#isHeld = true));
    on(list, "pointerleave", () => this.#letGo());
  }

  /** The next list is the full one. */
  expectAll() {
    this.#isWhole = true;
  }

  receive(rooms) {
    if (this.#isWhole) this.#keep(new Set(rooms.map(({ label }) => label)));
    this.#isWhole = false;
    for (const room of rooms) this.#show(room);
    this.#sort();
  }

  /** Update the relative times. */
  tick() {
    for (const { item, room } of this.#rooms.values()) showTime(item, room);
  }

  #keep(labels) {
    for (const [label, { item }] of this.#rooms) {
      if (labels.has(label)) continue;
      item.remove();
      this.#rooms.delete(label);
    }
  }

  #show(room) {
    const known = this.#rooms.get(room.label);
    // Two workers may send one room, and the older state may arrive last.
    if (known?.room.revision > room.revision) return;
    const item =
      known?.item ?? this.#template.content.firstElementChild.cloneNode(true);
    one(item, "a").href = `${document.body.dataset.lobby}${room.label}/`;
    one(item, ".name").textContent = room.name;
    const here = one(item, ".here");
    here.textContent = room.people ? whoIsThere(room) : "";
    item.classList.toggle("busy", room.people > 0);
    showTime(item, room);
    if (!item.isConnected) this.#list.append(item);
    this.#rooms.set(room.label, { item, room });
  }

  #sort() {
    this.#empty.hidden = this.#rooms.size > 0;
    const holdsFocus = this.#list.contains(document.activeElement);
    if (this.#isHeld || holdsFocus) return;
    const sorted = [...this.#rooms.values()].sort((a, b) => compare(a.room, b.room));
    for (const { item, room } of sorted.splice(MOST)) {
      item.remove();
      this.#rooms.delete(room.label);
    }
    sorted.forEach(({ item }, index) => {
      const there = this.#list.children[index];
      if (there !== item) this.#list.insertBefore(item, there);
    });
  }

  #letGo() {
    this.#isHeld = false;
    this.#sort();
  }
}

function read(item) {
  return {
    label: item.dataset.label,
    people: item.classList.contains("busy") ? 1 : 0,
    active: one(item, "time").getAttribute("datetime"),
  };
}

function compare(a, b) {
  const isBusy = ({ people }) => Number(people > 0);
  return isBusy(b) - isBusy(a) || (Date.parse(b.active) || 0) - (Date.parse(a.active) || 0);
}

function showTime(item, { active }) {
  const time = one(item, "time");
  if (!active) return;
  time.dateTime = active;
  time.textContent = timeSince(active);
  time.title = exactTimeOf(active);
}

/** "ann, bob and 3 more": the people in a room, as far as they have names. */
function whoIsThere({ people, handles }) {
  const names = handles.filter(Boolean);
  const count = people - names.length;
  const list = names.map((name) => `\u2068${name.replace(/[\u202a-\u202e\u2066-\u2069]/g, "")}\u2069`);
  if (!list.length) return people === 1 ? t("1 person here") : t("{count} people here", { count: people });
  const shown = list.join(t(", "));
  return count > 0 ? t("{names} and {count} more are here", { names: shown, count }) : t("{names} here now", { names: shown });
}
