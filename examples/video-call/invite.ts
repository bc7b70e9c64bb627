// Passes the call's link on.

import { linkTo } from "./invitation.ts";
import { announce, element, say } from "./page.ts";

const SAID_MS = 2000;

export function invite(room: string): void {
  element("invite").addEventListener("click", async () => {
    const link = linkTo(room);
    // Pages over plain http have no clipboard, and a phone has something better.
    const isPhone = matchMedia("(pointer: coarse)").matches && "share" in navigator;
    if (isPhone)
      await navigator.share({ title: document.title, url: link }).catch(() => {}); // It was closed.
    else {
      const isCopied = await navigator.clipboard?.writeText(link).then(
        () => true,
        () => false,
      );
      if (!isCopied) prompt("The link of this call", link);
      say(element("invited"), isCopied ? "Copied" : "Copy link");
      announce(isCopied ? "The link was copied" : "");
      setTimeout(() => say(element("invited"), "Copy link"), SAID_MS);
    }
  });
}
