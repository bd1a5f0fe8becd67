/** A WebSocket without a server, for the tests of pages that use a Connection. */

/**
 * Stands for the class `WebSocket`. Each instance is in `FakeWebSocket.all`, oldest first; a test plays the
 * server through its methods.
 *
 * @example
 * const connection = new Connection("ws://example.com/", { WebSocket: FakeWebSocket });
 * connection.open();
 * const socket = FakeWebSocket.last;
 * socket.accept();
 * socket.receive("hello");
 */
export class FakeWebSocket extends EventTarget {
  /** @type {FakeWebSocket[]} */
  static all = [];

  readyState = 0;
  protocol = "";
  binaryType = "blob";
  /** What the page has sent, oldest first. @type {unknown[]} */
  sent = [];
  /** How the page has closed it. @type {{code?: number, reason?: string} | undefined} */
  closedWith;

  /**
   * @param {string | URL} url
   * @param {string | string[]} [protocols]
   */
  constructor(url, protocols = []) {
    super();
    this.url = String(url);
    this.protocols = [protocols].flat();
    FakeWebSocket.all.push(this);
  }

  /** The newest socket. Throws if there is none. */
  static get last() {
    const socket = FakeWebSocket.all.at(-1);
    if (!socket) throw new Error("The page has not opened a socket yet.");
    return socket;
  }

  /** Forget all sockets, between two tests. */
  static reset() {
    FakeWebSocket.all = [];
  }

  // What the page calls

  /** @param {unknown} data */
  send(data) {
    if (this.readyState !== 1) throw new Error("The socket is not open.");
    this.sent.push(data);
  }

  /**
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code, reason) {
    if (this.readyState >= 2) return;
    this.closedWith = { code, reason };
    this.readyState = 2;
  }

  // What a test does as the server

  /**
   * Accept the handshake.
   *
   * @param {string} [protocol] the subprotocol chosen
   */
  accept(protocol = "") {
    this.protocol = protocol;
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  /**
   * Send a frame to the page.
   *
   * @param {string | ArrayBuffer} data
   */
  receive(data) {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }

  /**
   * End the socket: with a close frame, or by default as a cut connection or a refused handshake does.
   *
   * @param {number} [code]
   * @param {string} [reason]
   */
  end(code = 1006, reason = "") {
    this.readyState = 3;
    if (code === 1006) this.dispatchEvent(new Event("error"));
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason, wasClean: code !== 1006 }));
  }
}
