/** Messages from the room's history, as `{messages, more}`. */

async function fetchPage(url, key, id) {
  const response = await fetch(`${url}?${key}=${id}`, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`The history answered ${response.status}.`);
  return response.json();
}

export function before(url, id) {
  return fetchPage(url, "before", id);
}

/**
 * Fetches what was said while there was no socket, or was told when there was none.
 *
 * It remembers the id up to which nothing is missing. Ids are given in order, but messages are not
 * always told in order: one whose worker has died is told some seconds later than its followers.
 */
export class CatchUp {
  #url;
  #complete;
  #runs = 0;
  #isDone = false;

  constructor(url, complete) {
    this.#url = url;
    this.#complete = complete;
  }

  /** All messages that may be missing, page by page; `settled` is an id that is old enough. */
  async *messages(settled) {
    // What came by a socket is complete only if what was missing before it has come too.
    if (this.#isDone) this.#complete = Math.max(this.#complete, settled);
    this.#isDone = false;
    const run = ++this.#runs;
    let page;
    do {
      page = await fetchPage(this.#url, "after", this.#complete);
      yield page.messages;
      this.#complete = Math.max(this.#complete, page.messages.at(-1)?.id ?? 0);
    } while (page.more);
    if (run === this.#runs) this.#isDone = true;
  }
}
