// A video, sound and an image: each is asked for on a stream of its own, and shown while it arrives.

import { StreamError } from "browser-stream-server";
import { showConnection } from "../connection.ts";
import { dial } from "../token.ts";
import { playAudio } from "./audio.ts";
import { Card, type Player } from "./card.ts";
import { showImage } from "./image.ts";
import { playVideo } from "./video.ts";

const players: Record<string, Player> = { "video.webm": playVideo, "audio.wav": playAudio, "image.jpg": showImage };

const mdm = dial();
showConnection(mdm);

const sizes = askForSizes();
for (const element of document.querySelectorAll<HTMLElement>(".media")) {
  const name = element.dataset.name ?? "";
  const player = players[name];
  if (player) new Card(element, player, async (signal) => ({ bytes: await sizeOf(name), stream: open(name, signal) }));
}

function open(name: string, signal: AbortSignal) {
  return mdm.createStream(null, { path: `/media/${name}`, signal }).readable;
}

async function sizeOf(name: string): Promise<number> {
  return (await sizes).get(name) ?? 0;
}

/** How large each is; none where the program has no media, which the page says. */
async function askForSizes(): Promise<Map<string, number>> {
  try {
    const stream = mdm.createStream(null, { path: "/media" });
    await stream.opened;
    const list = await new Response(stream.readable).json();
    return new Map(list.map(({ name, bytes }: { name: string; bytes: number }) => [name, bytes]));
  } catch (error) {
    const isElsewhere = error instanceof StreamError && error.code === "not_found";
    element("problem").textContent = isElsewhere
      ? "The program here has no media. Start the one that does: cargo run -p media."
      : `The program does not say what it has: ${error instanceof Error ? error.message : error}. Load this page again.`;
    return new Map();
  }
}

function element(id: string): HTMLElement {
  return document.getElementById(id) as HTMLElement;
}
