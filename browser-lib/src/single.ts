// The single file for pages: the library, and what the files of its other entries take from it.

export { stayAwake } from "./awake.ts";
export { callable } from "./callable.ts";
export { Cell } from "./cell.ts";
export { toBytes } from "./chunk.ts";
export { each } from "./each.ts";
export { resetNumber } from "./error.ts";
export { Emitter, report } from "./events.ts";
export { frame, readFrames } from "./framing.ts";
export { fromHex, toHex } from "./hex.ts";
export * from "./index.ts";
export { parseJson, parseObject } from "./json.ts";
export { later } from "./later.ts";
export { codeText, heard } from "./mux/codes.ts";
export { Fifo } from "./mux/queue.ts";
export { sessionOf } from "./mux-demux.ts";
export { nameSegment } from "./name.ts";
export { demand } from "./options.ts";
export { refusal, resetRefused } from "./reply.ts";
export { begin } from "./resumable/opener.ts";
export { integer, integers, text } from "./resume/record.ts";
export { sha256 } from "./resume/sha256.ts";
export { sourceOf } from "./send.ts";
export { WRITE_TURNS } from "./session.ts";
export { settler } from "./settler.ts";
export { prefixOf } from "./stream-client.ts";
