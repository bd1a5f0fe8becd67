/**
 * Sockets on networks that let no WebSocket through. The code for these is loaded after a socket has failed:
 * a room loads few bytes.
 */

// Milliseconds after which the first handshake counts as one that gets no answer.
const SLOW = 6_000;
// The code of a socket that was cut, or did not open.
const ABNORMAL = 1006;

let Socket = WebSocket;

/** The option `WebSocket` of a Connection. */
export function ChosenSocket(...given) {
  return new Socket(...given);
}

/** Load the code at `address` when `connection` needs it. */
export function watch(connection, address) {
  const load = () =>
    import(address).then(
      (found) => (Socket = found.withFallbacks()),
      () => {}, // the next failure loads it again
    );
  connection.on("state", ({ code }) => code === ABNORMAL && Socket === WebSocket && load());
  setTimeout(() => connection.isOpen || load().then(() => connection.restart()), SLOW);
}
