// browser-stream-server/node: our streams as Node's, and Node's as a pair.

export { fromDuplex, type Pair } from "./from-duplex.ts";
export { toDuplex } from "./to-duplex.ts";
