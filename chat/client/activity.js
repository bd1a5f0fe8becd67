/** The line above the composer: who is typing, and who came and went. */

import { t } from "./texts.js";

// Milliseconds after which a typing notice expires.
const TYPING = 6_000;
// Milliseconds to show who came or went, and to wait for people who come right back.
const SHOWN = 5_000;
const NOTE_DELAY = 1_500;

export class Activity {
  #typingLine;
  #noteLine;
  #typing = new Map();
  #joined = new Map();
  #left = new Map();
  #timer = null;

  constructor(typingLine, noteLine) {
    this.#typingLine = typingLine;
    this.#noteLine = noteLine;
  }

  /** A person is typing. */
  typing({ who, handle }) {
    this.#stop(who);
    const timer = setTimeout(() => this.stopTyping(who), TYPING);
    this.#typing.set(who, { handle, timer });
    this.#showTyping();
  }

  /** A message arrived, the person left, or the notice expired. */
  stopTyping(who) {
    if (this.#stop(who)) this.#showTyping();
  }

  /** A person came. `name` is "" if it is unknown. */
  joined(who, name) {
    this.#note(this.#joined, this.#left, who, name);
  }

  left(who, name) {
    this.stopTyping(who);
    this.#note(this.#left, this.#joined, who, name);
  }

  /** A person got a name or another one. */
  renamed(who, name) {
    if (this.#joined.has(who)) this.#joined.set(who, name);
    const entry = this.#typing.get(who);
    if (!entry) return;
    entry.handle = name;
    this.#showTyping();
  }

  #stop(who) {
    clearTimeout(this.#typing.get(who)?.timer);
    return this.#typing.delete(who);
  }

  #showTyping() {
    const names = [...this.#typing.values()].map(({ handle }) => isolated(handle));
    this.#typingLine.textContent = sentence(names, {
      one: (names) => t("{first} is typing…", names),
      two: (names) => t("{first} and {second} are typing…", names),
      many: () => t("Several people are typing…"),
    });
  }

  /** Leaving and coming back at once, as after a lost connection, is no news. */
  #note(doers, undone, who, name) {
    if (!undone.delete(who)) doers.set(who, name);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#showNotes(), NOTE_DELAY);
  }

  #showNotes() {
    const came = sentence(namesOf(this.#joined), {
      one: (names) => t("{first} joined", names),
      two: (names) => t("{first} and {second} joined", names),
      many: (names) => t("{first} and {count} others joined", names),
    });
    const went = sentence(namesOf(this.#left), {
      one: (names) => t("{first} left", names),
      two: (names) => t("{first} and {second} left", names),
      many: (names) => t("{first} and {count} others left", names),
    });
    this.#noteLine.textContent = [came, went].filter(Boolean).join(" · ");
    this.#joined.clear();
    this.#left.clear();
    this.#timer = setTimeout(() => (this.#noteLine.textContent = ""), SHOWN);
  }
}

function namesOf(doers) {
  return [...doers.values()].filter(Boolean).map(isolated);
}

/** Isolate a right-to-left name, with any marks in it, from the sentence around it. */
function isolated(name) {
  return `\u2068${name.replace(/[\u202a-\u202e\u2066-\u2069]/g, "")}\u2069`;
}

function sentence([first, second, ...others], { one, two, many }) {
  if (!first) return "";
  if (!second) return one({ first });
  return others.length ? many({ first, count: others.length + 1 }) : two({ first, second });
}
