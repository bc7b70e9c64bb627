/** A tab that answers by HTTP, by a handler that a test writes. */

import type { Page } from "./fixture.ts";

/** Makes a tab serve this handler under a name; where that is. The handler is text, for it runs there: the page's policy lets no text be run, but what a test evaluates. */
export async function serve(page: Page, name: string, handler: string): Promise<string> {
  return await page.evaluate(`(async () => {
    const http = await import("/browser-stream-server-http.js");
    const answer = ${handler};
    kept.mdm ??= bss.MuxDemux();
    kept.asked ??= [];
    const site = http.serveHttp(kept.mdm, ${JSON.stringify(name)}, (request) => {
      kept.asked.push([request.method, new URL(request.url).pathname, request.headers.get("range") ?? ""].join(" ").trim());
      return answer(request, http);
    });
    return await site.listening;
  })()`);
}

/** A page that shows what is written into it. */
export const HTML = `new Response("<!doctype html><title>a tab's</title><link rel=icon href=data:,><h1>from a tab</h1>", { headers: { "content-type": "text/html" } })`;
