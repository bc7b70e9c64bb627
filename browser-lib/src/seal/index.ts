// Sealed streams: end-to-end encryption that the proxy cannot read. An entry of its own, `browser-stream-server/seal`, which the library loads when it is first needed.

export { connect } from "./client.ts";
export { SealKeys } from "./keys.ts";
export { type Pins, pins } from "./pins.ts";
export { sealedRecords } from "./records.ts";
export { Unsealing } from "./server.ts";
