// A button that copies a text.

const SHOWN_MS = 2000;

/** Copies it and says so for two seconds; without a clipboard (plain HTTP on a network) the text is shown to be copied by hand. */
export async function copyText(button: HTMLElement, text: string): Promise<void> {
  const label = button.dataset.label ?? button.textContent ?? "";
  button.dataset.label = label;
  const isCopied = await navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  );
  if (!isCopied) return void prompt("Copy it from here", text);
  button.textContent = "Copied";
  setTimeout(() => {
    button.textContent = label;
  }, SHOWN_MS);
}
