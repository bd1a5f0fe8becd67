/**
 * The stored messages that the page has, by id and in order.
 *
 * A message is `{id, handle, message, timestamp, who, account, edited, deleted}`, as the server
 * sends it.
 */

export class Messages {
  #byId = new Map();
  #ids = [];

  get count() {
    return this.#ids.length;
  }

  get first() {
    return this.at(0);
  }

  get last() {
    return this.at(this.count - 1);
  }

  at(index) {
    return this.#byId.get(this.#ids[index]);
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** Add a new message. Return its place. */
  add(message) {
    const index = this.indexOf(message.id);
    this.#ids.splice(index, 0, message.id);
    this.#byId.set(message.id, message);
    return index;
  }

  /** Update a message, unless this version is older. Return whether it did. */
  update(message) {
    const known = this.#byId.get(message.id);
    if (!known || known.deleted || !isLater(message, known)) return false;
    this.#byId.set(message.id, message);
    return true;
  }

  /** The place of this id, or the place to insert it. */
  indexOf(id) {
    let low = 0;
    let high = this.#ids.length;
    // Most go to the end.
    if (high && this.#ids[high - 1] < id) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ids[middle] < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Forget the oldest messages. */
  drop(count) {
    for (const id of this.#ids.splice(0, count)) this.#byId.delete(id);
  }

  /** The last message that fits the condition. */
  findLast(isWanted) {
    const id = this.#ids.findLast((each) => isWanted(this.#byId.get(each)));
    return this.#byId.get(id);
  }
}

/** Compares versions by the server's times: older answers may arrive last. */
function isLater(message, known) {
  if (message.deleted) return true;
  return (Date.parse(message.edited) || 0) > (Date.parse(known.edited) || 0);
}
