/** A client of channels-workers, and its parts for any server. For pages, and for Node.js 20 and later. */

export { Client } from "./client.js";
export { Connection } from "./connection.js";
export { ChannelsError } from "./errors.js";
export { Group } from "./group.js";
export { Outbox, newNonce } from "./outbox.js";
export { watchRefusals } from "./refusals.js";
export { Resumption } from "./resumption.js";
export { Stream } from "./stream.js";
export { tokenProtocol } from "./tokens.js";
export { watchWakeups } from "./wakeup.js";
