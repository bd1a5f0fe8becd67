/** How code in TypeScript uses the package. tsc checks it, and it never runs. */

import { ChannelsError, Client, Connection, Outbox, Resumption, tokenProtocol } from "channels-workers";
import type { ClientOptions, Group, Message, State, Stream } from "channels-workers";
import { FakeServer, FakeWebSocket } from "channels-workers/testing";

// As `manage.py asyncapi --typescript` writes them.
interface Said {
  /** Who said it. */
  who: string;
  text: string;
}
interface SayInput {
  text: string;
}
interface PointsReply {
  type: "points";
  points: number[];
}
type ChangeFromServer = { type: "said"; line: Said } | { type: "gone"; id: number };

const options: ClientOptions = {
  token: async () => "token",
  outbox: new Outbox({ storage: sessionStorage, key: "board" }),
  resume: true,
  heartbeat: 20_000,
  protocols: ["channels-workers.v1"],
};
const client = new Client("/board/", options);

const board: Stream<Said, SayInput, PointsReply> = client.stream<Said, SayInput, PointsReply>("board");
board.on("message", ({ payload, at }) => `${payload.who}: ${payload.text.trim()} ${at?.length}`);
// @ts-expect-error  a message has no such key
board.on("message", ({ payload }) => payload.when);
// @ts-expect-error  there is no such event
board.on("massage", () => {});
const isSent: boolean = board.send({ text: "hi" });
// @ts-expect-error  a text is no number
board.send({ text: 1 });
const { nonce }: { nonce: string } = board.sendReliably({ text: "hi" });
// @ts-expect-error  no text
board.sendReliably({});

async function ask(signal: AbortSignal): Promise<number> {
  const { points } = await board.request({ text: "points" }, { timeout: 500, signal, idempotent: true });
  const reply = await client.request<PointsReply>({ any: "thing" }, { stream: "board" });
  // @ts-expect-error  the stream is that of the object
  await board.request({ text: "points" }, { stream: "other" });
  // @ts-expect-error  a reply has no such key
  reply.lines;
  return points[0] + reply.points.length;
}

const group: Group<ChangeFromServer> = client.join<ChangeFromServer>("board-news", { since: "1:2", storage: sessionStorage });
group.on("message", ({ payload }: Message<ChangeFromServer>) => {
  if (payload.type === "said") return payload.line.who;
  // @ts-expect-error  of the other type
  return payload.line;
});
group.on("gap", ({ at }) => at?.split(":"));
// @ts-expect-error  no method of its users
group.take({ payload: { type: "gone", id: 1 } });
// @ts-expect-error  its position is not to be set
group.at = "1:2";
const at: string | undefined = group.at;

// Without types everything is allowed.
client.stream("other").on("message", ({ payload }) => payload.anything.at.all);
client.join("other").on("message", ({ payload }) => payload.anything.at.all);

client.on("state", (state: State) => `${state.name} ${state.code ?? ""}`);
client.on("refused", ({ entry, error }) => `${entry.nonce} ${error.fields[0].field}`);
client.on("held", ({ error }) => (error.after ?? 0) + 1);
client.on("ack", ({ content }) => content.payload);
client.on("error", (error: ChannelsError) => `${error.code} ${error.message}`);
client.on("failure", ({ isReachable }) => !isReachable);
const stop: () => void = client.on("frame", (frame: unknown) => frame);

const plain = new Connection("/chat/", { resume: new Resumption(1_000), protocols: [tokenProtocol("t")] });
// @ts-expect-error  a Connection takes an object, of which each has its own
new Connection("/chat/", { resume: true });
const isDone: boolean = plain.send("text");

const server = new FakeServer({ onRequest: (payload: SayInput) => payload.text, history: 10 });
new Client("ws://example.com/", { WebSocket: server.WebSocket });
server.publish("news", { text: "hi" }, { stream: "board" });
const sockets: FakeWebSocket[] = server.sockets;

export { ask, at, isDone, isSent, nonce, sockets, stop };
