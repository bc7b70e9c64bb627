// What the sender passes on: the link, its QR code, the code for shells.

import { linkTo } from "./code.ts";
import { announce, element, say } from "./page.ts";
import { qr } from "./qr.ts";

export function showLink(code: string, key: string): void {
  const link = linkTo(code, key);
  element<HTMLInputElement>("link").value = link;
  say("code", code);
  element("qr").replaceChildren(qr(link));
  element("local").hidden = !/^(localhost|127\.|\[::1\])/.test(location.hostname);
}

export function passButtons(): void {
  const copy = element("copy");
  copy.addEventListener("click", async () => {
    const field = element<HTMLInputElement>("link");
    field.select();
    // Pages over plain http have no clipboard: there the field is selected, to be copied by hand.
    const isCopied = await navigator.clipboard?.writeText(field.value).then(
      () => true,
      () => false,
    );
    copy.textContent = isCopied ? "Copied" : "Copy it by hand";
    announce(copy.textContent);
    setTimeout(() => (copy.textContent = "Copy link"), 2_000);
  });
  element("pass").hidden = !("share" in navigator);
  element("pass").addEventListener("click", () => {
    navigator.share({ title: document.title, url: element<HTMLInputElement>("link").value }).catch(() => {}); // It was closed.
  });
}
