// What others would take to send one message to many: `ws` and the loop of its own documentation, or socket.io 4 and its broadcast.
// Prints its address, then serves until it is killed.
import { createServer } from "node:http";

const server = createServer();

if (process.argv[2] === "ws") {
  const { WebSocketServer } = await import("ws");
  const readers = new Set();
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on("connection", (socket, request) => {
    if (request.url === "/reader") {
      readers.add(socket);
      socket.on("close", () => readers.delete(socket));
      return;
    }
    socket.on("message", (data, binary) => {
      for (const reader of readers) reader.send(data, { binary });
    });
  });
} else {
  const { Server } = await import("socket.io");
  const io = new Server(server, { perMessageDeflate: false });
  io.on("connection", (socket) => {
    socket.on("m", (data) => socket.broadcast.emit("m", data));
  });
}

server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`http://127.0.0.1:${server.address().port}/\n`);
});
