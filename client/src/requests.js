/** What the server has been asked, until it answers. */

import { ChannelsError } from "./errors.js";

/**
 * @typedef {object} Question
 * @property {object} frame
 * @property {boolean} [idempotent] whether to ask again if the connection is lost
 * @property {(answer: any) => void} onAnswer is called before the next frame is read
 * @property {(error: any) => void} onError
 * @property {boolean | undefined} isSent on this connection
 */

export class Requests {
  /** @type {Map<number, Question>} */
  #open = new Map();
  #send;
  #count = 0;

  /** @param {(frame: object) => boolean} send returns false if there is no connection */
  constructor(send) {
    this.#send = send;
  }

  /**
   * Ask now, or with the next connection. Returns a function that gives the question up, with an error.
   *
   * @param {Omit<Question, "isSent">} asked
   */
  ask(asked) {
    /** @type {Question} */
    const question = { ...asked, isSent: false };
    const id = ++this.#count;
    // It throws for what JSON cannot express.
    question.isSent = this.#send({ ...question.frame, id });
    this.#open.set(id, question);
    return (/** @type {unknown} */ error) => this.#open.delete(id) && question.onError(error);
  }

  /** Ask what was not asked on this connection. */
  flush() {
    for (const [id, question] of this.#open) {
      question.isSent ||= this.#send({ ...question.frame, id });
    }
  }

  /**
   * A frame has come. Returns whether it answers a question.
   *
   * @param {any} frame
   */
  answer(frame) {
    const question = this.#open.get(frame.id);
    if (!question) return false;
    this.#open.delete(frame.id);
    if (frame.type === "error") question.onError(new ChannelsError(frame));
    else question.onAnswer(frame);
    return true;
  }

  /**
   * The answers to what was asked will not come. With `closed` nothing is asked again.
   *
   * @param {"lost" | "closed"} code
   */
  lose(code) {
    for (const [id, question] of [...this.#open]) {
      if (code === "lost" && (question.idempotent || !question.isSent)) {
        question.isSent = false;
      } else if (this.#open.delete(id)) {
        question.onError(new ChannelsError({ code }));
      }
    }
  }
}
