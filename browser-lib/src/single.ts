// The single file for pages: the library, and what the files of its other entries take from it.

export { callable } from "./callable.ts";
export { Cell } from "./cell.ts";
export { toBytes } from "./chunk.ts";
export { each } from "./each.ts";
export { resetNumber } from "./error.ts";
export { Emitter } from "./events.ts";
export { toHex } from "./hex.ts";
export * from "./index.ts";
export { parseObject } from "./json.ts";
export { Fifo } from "./mux/queue.ts";
export { sessionOf } from "./mux-demux.ts";
export { nameSegment } from "./name.ts";
export { demand } from "./options.ts";
export { refusal, resetRefused } from "./reply.ts";
export { begin } from "./resumable/opener.ts";
export { integers, text } from "./resume/record.ts";
export { sourceOf } from "./send.ts";
export { settler } from "./settler.ts";
export { prefixOf } from "./stream-client.ts";
