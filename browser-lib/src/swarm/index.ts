// Swarms: those who see a content give it to those who come next. An entry of its own, `browser-stream-server/swarm`.

export type { Fetching, FetchOptions, FetchProgress, Opened } from "./fetching.ts";
export {
  type SwarmImage,
  SwarmImages,
  type SwarmImagesEvents,
  type SwarmImagesOptions,
  swarmImages,
} from "./images.ts";
export type { From, Sources } from "./ledger.ts";
export { Manifest, manifestOf } from "./manifest.ts";
export type { Reserve } from "./policy.ts";
export type { Store, Stored, StoreKind } from "./store.ts";
export { type Holdings, type KeptContent, type Seedable, type SeedOptions, Swarm, type SwarmOptions } from "./swarm.ts";
export type { Served, SwarmEvents, SwarmState, SwarmStats } from "./swarm-events.ts";
export type { TrackerState } from "./tracker.ts";
export { type SwarmAddress, SwarmWorker, type SwarmWorkerOptions, swarmWorker } from "./worker.ts";
