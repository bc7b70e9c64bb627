// The service worker: answers `swarm/ID` below its scope with a content of the swarm, for images, videos and `fetch`. It has no connection of its own (no WebRTC in a worker): a page of
// the scope fetches, see `swarmWorker`; where there is none it fetches from the origin, and checks what comes all the same.

import { answer } from "./answer.ts";
import { askedOf } from "./asked.ts";
import type { Notice } from "./messages.ts";
import { type Extendable, type Fetching, scope } from "./scope.ts";

addEventListener("install", () => void scope.skipWaiting());
addEventListener("activate", (event) => (event as Extendable).waitUntil(scope.clients.claim()));

addEventListener("message", (event) => {
  const { swarm } = Object((event as MessageEvent).data) as Partial<Notice>;
  // A page that was loaded around service workers.
  if (swarm === "claim") (event as unknown as Extendable).waitUntil(scope.clients.claim());
});

addEventListener("fetch", (event) => {
  const { request } = event as Fetching;
  const asked = askedOf(request.url, scope.registration.scope);
  if (!asked) return;
  let over = () => {};
  const isOver = new Promise<void>((resolve) => {
    over = resolve;
  });
  (event as Fetching).respondWith(answer(asked, request, over));
  // While somebody reads the worker is needed, though it has answered.
  (event as Fetching).waitUntil(isOver);
});
