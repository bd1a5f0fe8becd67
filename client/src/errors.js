/** Why a request, a join or a message was not done. */
export class ChannelsError extends Error {
  /**
   * @param {object} details those of an `error` frame
   * @param {string} details.code a code of the server: `invalid`, `unknown`, `denied`, `later`, `failed`, or another
   *   one. Or one of this client: `timeout`, `lost` (the connection, so that the request may have been done or not) or
   *   `closed`
   * @param {string} [details.message]
   * @param {{field: string, message: string}[]} [details.fields] what is wrong in the payload
   * @param {number} [details.after] seconds after which to try again
   */
  constructor({ code, message, fields = [], after }) {
    super(message || String(code));
    this.name = "ChannelsError";
    this.code = code;
    this.fields = fields;
    this.after = after;
  }
}
