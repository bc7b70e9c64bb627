// What a server tab of browser-stream-server 0.5 looked like; nothing but the import line is new.
import { boot, StreamServer } from "/browser-stream-server.js";

var mdm = boot("/boot");

StreamServer(mdm, function (stream) {
  stream.on("data", function (data) {
    console.log("server got", data);
  });

  stream.write("from server");
}).listen("SERVER_NAME");
