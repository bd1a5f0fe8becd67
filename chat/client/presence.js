/**
 * Who is in the room, from the full list and its deltas.
 *
 * Each delta has the next revision of the room. Deltas may arrive out of order, and before the list. A
 * delta waits for those before it. If one does not arrive, `onGap()` asks for the list.
 *
 * `onChange(persons, change)` gets a Map of persons by `who`. If one of them changed, `change` has the
 * state before as `known` and the state now as `person`; undefined for somebody who is not here.
 *
 * @import { Here, PersonJoined, PersonLeft, PersonRenamed, Visitor } from "./socket"
 * @typedef {Partial<PersonJoined & PersonRenamed & PersonLeft> & { revision: number }} Change
 * @typedef {{ known?: Visitor, person?: Visitor }} Difference
 */

export class Presence {
  /** @type {Map<string, Visitor>} */
  #persons = new Map();
  /** @type {number | null} */
  #revision = null;
  /** @type {Map<number, Change>} */
  #waiting = new Map();
  #onChange;
  #onGap;

  /**
   * @param {{
   *   onChange: (persons: Map<string, Visitor>, change?: Difference) => void,
   *   onGap: () => void,
   * }} listeners
   */
  constructor({ onChange, onGap }) {
    this.#onChange = onChange;
    this.#onGap = onGap;
  }

  /** @param {Partial<Here> & Change} frame */
  receive(frame) {
    if (frame.here) this.#replace(/** @type {Here} */ (frame));
    else if (this.#revision === null || frame.revision > this.#revision) {
      this.#waiting.set(frame.revision, frame);
    }
    this.#drain();
  }

  /** After a new connection the list may be out of date. */
  forget() {
    this.#revision = null;
    this.#waiting.clear();
  }

  /** @param {Here} frame */
  #replace({ revision, here }) {
    this.#revision = revision;
    this.#persons = new Map(here.map((person) => [person.who, person]));
    for (const each of this.#waiting.keys()) if (each <= revision) this.#waiting.delete(each);
    this.#onChange(this.#persons);
  }

  #drain() {
    if (this.#revision === null) return;
    for (let next; (next = this.#waiting.get(this.#revision + 1)); ) this.#apply(next);
    if (this.#waiting.size) this.#onGap();
  }

  /** @param {Change} change */
  #apply(change) {
    const { revision, joined, left, renamed } = change;
    this.#waiting.delete(revision);
    this.#revision = revision;
    const { who } = /** @type {Visitor} */ (joined ?? left ?? renamed);
    const known = this.#persons.get(who);
    if (left) this.#persons.delete(who);
    else this.#persons.set(who, /** @type {Visitor} */ (joined ?? renamed));
    this.#onChange(this.#persons, { known, person: this.#persons.get(who) });
  }
}
