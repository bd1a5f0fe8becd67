// The room on Node.js, in the shape of the documentation of ws and redis. The first argument is the
// port.

import { createClient } from "redis";
import WebSocket, { WebSocketServer } from "ws";

const given = JSON.parse(process.env.BENCHMARK);
const publisher = createClient({ url: given.redis });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

/** Each room by its path. Redis publishes to a channel of the same name. */
const rooms = new Map();

/** Send a message of Redis to the members of its room. */
function tell(text, path) {
  for (const client of rooms.get(path) ?? []) {
    if (client.readyState === WebSocket.OPEN) {
      client.send(text);
    }
  }
}

function join(path, socket) {
  if (!rooms.has(path)) {
    rooms.set(path, new Set());
    subscriber.subscribe(path, tell);
  }
  rooms.get(path).add(socket);
}

function leave(path, socket) {
  const room = rooms.get(path);
  room.delete(socket);
  if (!room.size) {
    rooms.delete(path);
    subscriber.unsubscribe(path, tell);
  }
}

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });

server.on("connection", (socket, request) => {
  const path = request.url;
  join(path, socket);
  socket.on("error", console.error);
  socket.on("message", (data) => {
    const said = JSON.parse(data);
    const fields = { handle: said.handle, message: said.message };
    publisher.publish(path, JSON.stringify({ ...fields, timestamp: new Date().toISOString() }));
  });
  socket.on("close", () => leave(path, socket));
});
