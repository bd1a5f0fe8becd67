/** Messages from the history of the room, as `{messages, more}`. It imports nothing. */

async function fetchPage(query) {
  const response = await fetch(`messages/?${query}`, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`The history answered ${response.status}.`);
  const page = await response.json();
  return { ...page, moment: response.headers?.get("Date") };
}

export function before(id) {
  return fetchPage(`before=${id}`);
}

/**
 * Fetches the messages, edits and deletions that the page missed without a socket.
 *
 * It remembers the id up to which nothing is missing. Ids are in order, but messages may arrive out
 * of order: after the death of a worker its message arrives seconds later than those that follow.
 * For edits and deletions it remembers the change number up to which the page has all of them.
 */
export class CatchUp {
  #complete;
  #change;
  #runs = 0;
  #isDone = false;

  constructor(complete, change = 0) {
    this.#complete = complete;
    this.#change = change;
  }

  /** A change of the room arrived by the socket. */
  heard(change) {
    if (this.#isDone && change === this.#change + 1) this.#change = change;
  }

  /** All pages that may be missing, one by one. `settled` is an id that is old enough. */
  async *pages(settled) {
    // The frames of a socket are complete only with everything missed before it.
    if (this.#isDone) this.#complete = Math.max(this.#complete, settled);
    this.#isDone = false;
    const run = ++this.#runs;
    let page;
    do {
      page = await fetchPage(`after=${this.#complete}&change=${this.#change}`);
      yield page;
      this.#complete = Math.max(this.#complete, page.messages.at(-1)?.id ?? 0);
      this.#change = Math.max(this.#change, page.change ?? 0);
    } while (page.more);
    if (run === this.#runs) this.#isDone = true;
  }
}
