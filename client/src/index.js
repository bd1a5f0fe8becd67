/** A client of channels-workers, and its parts for any server. For pages, and for Node.js 20 and later. */

/**
 * @template [Payload=any]
 * @typedef {import("./group.js").JoinedGroup<Payload>} Group
 */

/**
 * @template [Payload=any]
 * @typedef {import("./group.js").Message<Payload>} Message
 */

/**
 * @template [In=any]
 * @template [Out=any]
 * @template [Reply=any]
 * @typedef {import("./stream.js").Stream<In, Out, Reply>} Stream
 */

/** @typedef {import("./client.js").ClientOptions} ClientOptions */
/** @typedef {import("./client.js").RequestOptions} RequestOptions */
/** @typedef {import("./connection.js").ConnectionOptions} ConnectionOptions */
/** @typedef {import("./connection.js").State} State */
/** @typedef {import("./delivery.js").Entry} Entry */
/** @typedef {import("./group.js").JoinOptions} JoinOptions */

export { Client } from "./client.js";
export { Connection } from "./connection.js";
export { ChannelsError } from "./errors.js";
export { Outbox, newNonce } from "./outbox.js";
export { watchRefusals } from "./refusals.js";
export { Resumption } from "./resumption.js";
export { tokenProtocol } from "./tokens.js";
export { watchWakeups } from "./wakeup.js";
