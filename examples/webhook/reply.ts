// What the tab answers: what the form says. What can be no answer is said beside its field, and the last that could be stays.

const STATUS = /^[2-5]\d\d$/;
/** Statuses whose answers have no body. */
const BODILESS = [204, 205, 304];

export class Reply {
  #status = 200;
  #type = "";

  constructor() {
    this.#watch("code", (text) => {
      if (!STATUS.test(text))
        return `A status is a number from 200 to 599. Until it is one, calls are answered ${this.#status}.`;
      this.#status = Number(text);
      return "";
    });
    this.#watch("type", (text) => {
      if (!canBeHeader(text)) return `This can be no header. Until it can, it is “${this.#type}”.`;
      this.#type = text;
      return "";
    });
  }

  /** Pages may call from anywhere, and read it. */
  response(): Response {
    const headers = {
      "access-control-allow-origin": "*",
      "access-control-allow-headers": "*",
      ...(this.#type && { "content-type": this.#type }),
    };
    const body = BODILESS.includes(this.#status) ? null : field("body").value;
    return new Response(body, { status: this.#status, headers });
  }

  /** `take` says what is wrong with what is in the field, if anything is. */
  #watch(id: string, take: (text: string) => string): void {
    const [input, told] = [field(id), document.getElementById(`${id}-problem`) as HTMLElement];
    input.oninput = () => {
      const problem = take(input.value.trim());
      input.ariaInvalid = `${problem !== ""}`;
      if (told.textContent !== problem) told.textContent = problem;
    };
    take(input.value.trim());
  }
}

function canBeHeader(text: string): boolean {
  try {
    new Headers({ "content-type": text });
    return true;
  } catch {
    return false;
  }
}

function field(id: string): HTMLInputElement {
  return document.getElementById(id) as HTMLInputElement;
}
