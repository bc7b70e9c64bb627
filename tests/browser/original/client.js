// What a client tab of browser-stream-server 0.5 looked like; nothing but the import line is new.
import { boot, StreamClient } from "/browser-stream-server.js";

var mdm = boot("/boot");

var stream = StreamClient(mdm).connect("SERVER_NAME");

stream.on("data", function (data) {
  console.log("client got", data);
});

stream.write("from client");
