/** Messages from the history of the page's room, as `{messages, more}`. It imports nothing. */

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
 * Fetches what was said, edited or deleted while there was no socket, or was told when there was
 * none.
 *
 * It remembers the id up to which nothing is missing. Ids are given in order, but messages are not
 * always told in order: one whose worker has died is told some seconds later than its followers.
 * Of edits and deletions it remembers the room's count up to which it knows them all.
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

  /** The socket told a change of the room. */
  heard(change) {
    if (this.#isDone && change === this.#change + 1) this.#change = change;
  }

  /** All pages of what may be missing, one by one; `settled` is an id that is old enough. */
  async *pages(settled) {
    // What came by a socket is complete only if what was missing before it has come too.
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
