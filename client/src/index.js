/** A WebSocket that reconnects, and an outbox that outlives it. For pages, and for Node.js 20 and later. */

export { Connection } from "./connection.js";
export { Outbox, newNonce } from "./outbox.js";
export { watchRefusals } from "./refusals.js";
export { watchWakeups } from "./wakeup.js";
