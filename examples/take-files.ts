// Files that are chosen, or dropped anywhere on the page.

/** Gives `take` the files, and where they were dropped all that was; `promise` is what becomes of them, said while they are held over the page. */
export function takeFiles(promise: string, take: (files: File[], dropped?: DataTransfer | null) => void): void {
  const picker = element<HTMLInputElement>("picker");
  picker.addEventListener("change", () => {
    if (picker.files?.length) take([...picker.files]);
    picker.value = ""; // The same file may be chosen again.
  });
  let entered = 0;
  const mark = (isOver: boolean) => {
    element("drop").toggleAttribute("data-over", isOver);
    hint(isOver ? `let go: ${promise}` : "or drop them anywhere on this page");
  };
  // The whole page takes what is dropped, so that nothing that misses the frame replaces the page.
  addEventListener("dragenter", () => mark(++entered > 0));
  addEventListener("dragleave", () => mark(--entered > 0));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    entered = 0;
    mark(false);
    const files = filesOf(event.dataTransfer);
    if (files.length > 0) take(files, event.dataTransfer);
  });
}

/** What was dropped, without folders: a page reads none. */
function filesOf(dropped: DataTransfer | null): File[] {
  const folders = [...(dropped?.items ?? [])]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry?.isDirectory);
  const names = new Set(folders.map((entry) => entry?.name));
  if (names.size > 0) hint("Folders are not sent: choose the files in them, or pack them first");
  return [...(dropped?.files ?? [])].filter(({ name }) => !names.has(name));
}

function hint(text: string): void {
  // A screen reader hears only changes.
  if (element("hint").textContent !== text) element("hint").textContent = text;
}

function element<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}
