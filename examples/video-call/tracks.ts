// What this device sends: for each source a track, while it is on.

import type { Source } from "./chunk.ts";

export type Tracks = Partial<Record<Source, MediaStreamTrack>>;
