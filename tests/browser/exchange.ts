/** Senders and receivers of the file-exchange example, as its tests use them. */

import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Browser, Download } from "@playwright/test";
import { expect, type Page } from "./fixture.ts";

export interface Sample {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

/** As Chromium tells it, in bytes. */
interface HeapUsage {
  usedSize: number;
  backingStorageSize: number;
}

export const MIB = 1 << 20;
export const PIECE = 256 * 1024;

export function sample(name: string, bytes: number, mimeType = "application/octet-stream"): Sample {
  return { name, mimeType, buffer: randomBytes(bytes) };
}

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The digest of what was downloaded; fails where the download did. */
export async function sha256Of(download: Download): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(await download.path())) hash.update(chunk);
  return hash.digest("hex");
}

/** Shares files from a page of the example; the link. */
export async function share(page: Page, files: Sample[] | string): Promise<string> {
  await page.getByLabel(/Choose files|Add files/).setInputFiles(files);
  await expect(page.getByRole("status").first()).toHaveText("Connected");
  return await page.getByLabel("Link", { exact: true }).inputValue();
}

/** The line of a file, or of a receiver. */
export const row = (page: Page, name: string) => page.getByRole("listitem").filter({ hasText: name });

/** Presses "Save" (or `button`) at a file and waits for its download. */
export async function save(page: Page, name: string, button = "Save"): Promise<Download> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    row(page, name).getByRole("button", { name: button }).click(),
  ]);
  return download;
}

/**
 * From now on the page reads its files only as far as `kept.let` allows, and notes in `kept.read` where it read, and in `kept.bad` from where on a piece
 * is damaged, so often.
 */
export async function holdFiles(page: Page, pieces = 0): Promise<void> {
  await page.evaluate(
    ({ pieces, PIECE }) => {
      let allowed = pieces;
      let wakes: (() => void)[] = [];
      kept.read = [];
      kept.bad = new Map<number, number>();
      kept.let = (more: number) => {
        allowed += more;
        for (const wake of wakes.splice(0)) wake();
      };
      const slice = File.prototype.slice;
      File.prototype.slice = function (start = 0, end, type) {
        const part = slice.call(this, start, end, type);
        part.arrayBuffer = async () => {
          while (allowed <= 0) {
            await new Promise<void>((resolve) => {
              wakes = [...wakes, resolve];
            });
          }
          allowed--;
          kept.read.push(start / PIECE);
          return await new Response(part).arrayBuffer();
        };
        return part;
      };
      const digest = crypto.subtle.digest.bind(crypto.subtle);
      crypto.subtle.digest = async (algorithm, bytes) => {
        const sum = await digest(algorithm, bytes);
        const at = kept.read.at(-1);
        const times = kept.bad.get(at) ?? 0;
        if (times === 0 || bytes.byteLength !== PIECE) return sum;
        kept.bad.set(at, times - 1);
        return await digest(algorithm, sum);
      };
    },
    { pieces, PIECE },
  );
}

export const letThrough = (page: Page, pieces: number) => page.evaluate((pieces) => kept.let(pieces), pieces);

/** Bytes that the browser keeps for the page, of files that are not whole. */
export async function keptBytes(page: Page): Promise<number> {
  return await page.evaluate(async () => {
    let bytes = 0;
    const count = async (folder: FileSystemDirectoryHandle): Promise<void> => {
      for await (const handle of folder.values()) {
        if (handle instanceof FileSystemFileHandle) bytes += (await handle.getFile()).size;
        else await count(handle as FileSystemDirectoryHandle);
      }
    };
    await count(await navigator.storage.getDirectory());
    return bytes;
  });
}

/** Downloads that a page began. */
export function downloadsOf(page: Page): string[] {
  const names: string[] = [];
  page.on("download", (download) => names.push(download.suggestedFilename()));
  return names;
}

/** What is on the page's heap and in its buffers, after what is not needed was thrown away. */
export async function memoryOf(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  const kept = await least(async () => {
    await session.send("HeapProfiler.collectGarbage");
    return await session.send("Runtime.getHeapUsage");
  });
  await session.detach();
  return kept;
}

/** The least of three looks: garbage that is made between its collection and a look, much on a busy machine, is in that look alone. */
async function least(look: () => Promise<HeapUsage>): Promise<number> {
  let kept = Number.POSITIVE_INFINITY;
  for (let looks = 0; looks < 3; looks++) {
    const { usedSize, backingStorageSize } = await look();
    kept = Math.min(kept, usedSize + backingStorageSize);
  }
  return kept;
}

/** The same of the one service worker that there is. Playwright gives out sessions for pages only, so it is spoken to through the browser's. */
export async function memoryOfWorker(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { targetInfos } = await session.send("Target.getTargets");
  const [worker, ...more] = targetInfos.filter(({ type }) => type === "service_worker");
  if (!worker || more.length > 0) throw new Error(`${more.length + Number(!!worker)} service workers`);
  const { sessionId } = await session.send("Target.attachToTarget", { targetId: worker.targetId, flatten: false });
  let asked = 0;
  const ask = (method: string) => {
    const id = ++asked;
    const answer = new Promise<HeapUsage>((resolve, reject) => {
      session.on("Target.receivedMessageFromTarget", ({ message }) => {
        const answer = JSON.parse(message);
        if (answer.id === id) answer.error ? reject(new Error(answer.error.message)) : resolve(answer.result);
      });
    });
    session.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method }) });
    return answer;
  };
  const kept = await least(async () => {
    await ask("HeapProfiler.collectGarbage");
    return await ask("Runtime.getHeapUsage");
  });
  await session.detach();
  return kept;
}
