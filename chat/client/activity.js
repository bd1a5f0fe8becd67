/** The quiet line above the composer: who is typing, and who came and went. */

import { t } from "./texts.js";

// Milliseconds after which a typing that is not renewed is over.
const TYPING = 6_000;
// For how long it is said who came or went, and waited for those who come right back.
const SHOWN = 5_000;
const PATIENCE = 1_500;

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

  /** A message came, or the person left, or nothing more was heard. */
  stopTyping(who) {
    if (this.#stop(who)) this.#showTyping();
  }

  /** A person came; `name` is "" if it is not known. */
  joined(who, name) {
    this.#note(this.#joined, this.#left, who, name);
  }

  left(who, name) {
    this.stopTyping(who);
    this.#note(this.#left, this.#joined, who, name);
  }

  /** The name of somebody who just came is known now. */
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

  /** Who leaves and comes back at once, as after a lost connection, did neither. */
  #note(doers, undone, who, name) {
    if (!undone.delete(who)) doers.set(who, name);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#showNotes(), PATIENCE);
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

/** So that a name from right to left does not turn the sentence, whatever marks it holds. */
function isolated(name) {
  return `\u2068${name.replace(/[\u202a-\u202e\u2066-\u2069]/g, "")}\u2069`;
}

function sentence([first, second, ...others], { one, two, many }) {
  if (!first) return "";
  if (!second) return one({ first });
  return others.length ? many({ first, count: others.length + 1 }) : two({ first, second });
}
