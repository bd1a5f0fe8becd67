/**
 * Edits and deletions from this page that the server has not confirmed: `{type: "edit" | "delete", id, message}`.
 *
 * Changes are idempotent, so the rest is sent again over a new connection.
 */

import { Outbox } from "../../client/src/index.js";

export class Changes extends Outbox {
  ask(type, id, message) {
    this.add({ type, id, ...(type === "edit" && { message }) });
  }

  /** A message arrived from the room or the history. Its change may be done. */
  settle({ id, message, deleted }) {
    for (const { nonce, content } of [...this]) {
      const isDone = deleted || (content.type === "edit" && content.message === message);
      if (content.id === id && isDone) this.remove(nonce);
    }
  }
}
