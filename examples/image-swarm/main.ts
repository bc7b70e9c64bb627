// Twenty pictures from whoever has them. What a page needs for that is one line, `swarmImages`; all else here shows what happens.

import { Swarm, type SwarmImages, swarmImages } from "browser-stream-server/swarm";
import { showConnection } from "../connection.ts";
import { dial } from "../token.ts";
import { draw } from "./draw.ts";
import { Frame } from "./frame.ts";
import { Totals } from "./totals.ts";

/** What this tab gives at most, so that nobody's line is full because of pictures. */
const UPLOAD_BYTES_PER_SECOND = 1_000_000;
/** How often it is looked again for what nobody had. */
const AGAIN_MS = 5_000;

const pictures = [...document.querySelectorAll<HTMLImageElement>("img[data-swarm]")];
const frames = new Map(pictures.map((img) => [img, new Frame(img)]));
const totals = new Totals();
const here = new Set<HTMLImageElement>();
const missing = new Set<HTMLImageElement>();
/** How many this tab drew so far, while it does. */
let drawn: number | undefined;

const mdm = dial();
showConnection(mdm);
const onlyTakes = new URLSearchParams(location.search).has("take");
const swarm = Swarm(mdm, { serve: !onlyTakes, uploadBytesPerSecond: UPLOAD_BYTES_PER_SECOND });
swarm.on("served", ({ bytes }) => totals.passedOn(bytes));
element("giving").hidden = onlyTakes;
element("taking").hidden = !onlyTakes;
void start();

async function start(): Promise<void> {
  // Where nobody serves the pictures they have no origin: visitors have them, or nobody.
  if (!(await hasOrigin())) for (const { dataset } of pictures) delete dataset.src;
  const images = swarmImages(swarm);
  images.on("progress", ({ img, sources }) => frames.get(img)?.arrives(sources));
  images.on("image", ({ img, sources }) => {
    here.add(img);
    missing.delete(img);
    frames.get(img)?.isHere(sources);
    totals.came(sources);
    show();
  });
  images.on("failed", ({ img, error }) => {
    missing.add(img);
    frames.get(img)?.isMissing(error.code, img.hasAttribute("src"));
    show();
  });
  setInterval(() => missing.size > 0 && images.retry(), AGAIN_MS);
  element("draw").onclick = () => void drawAll(images);
}

async function hasOrigin(): Promise<boolean> {
  const first = pictures[0]?.dataset.src ?? "";
  return await fetch(first, { method: "HEAD" }).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** This tab becomes the first that has them. */
async function drawAll(images: SwarmImages): Promise<void> {
  await draw(swarm, (number) => {
    drawn = number;
    show();
  });
  drawn = undefined;
  images.retry();
}

function show(): void {
  const all = pictures.length;
  const isDone = here.size === all;
  const isStuck = !isDone && drawn === undefined && here.size + missing.size === all;
  element("panel").dataset.state = isDone ? "done" : isStuck ? "failed" : "working";
  element<HTMLProgressElement>("progress").value = drawn ?? here.size;
  // Out of sight it has no focus to lose: who pressed it reads on above.
  element("actions").hidden = !isStuck;
  tell(isDone ? `All ${all} are here, and each piece was checked.` : isStuck ? stuck(all) : arriving(all));
}

function stuck(all: number): string {
  const which = here.size === 0 ? "these pictures" : `${all - here.size} of the ${all} pictures`;
  return `Nobody who has ${which} is here. This page looks again every few seconds, or draws them itself.`;
}

function arriving(all: number): string {
  if (drawn !== undefined) return `Drawing: ${drawn} of ${all}.`;
  return here.size === 0 ? "Looking for visitors who have them." : `${here.size} of ${all} are here.`;
}

/** A screen reader hears only changes. */
function tell(text: string): void {
  if (element("told").textContent !== text) element("told").textContent = text;
}

function element<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}
