// Who we are to a proxy that asks: a person gives a token here. This tab keeps it, the library shows it to the proxy, and it stands in no URL.

import { MuxDemux, StreamError } from "browser-stream-server";

/** Of this tab's `sessionStorage`. */
const KEY = "browser-stream-server token";
const MINUTE_MS = 60_000;

/** Where the proxy that served this page has its WebSocket: it says so on top of the page. */
const { mux } = document.documentElement.dataset;

/** The form that is on the page, and when it has a token that the proxy takes. */
let asked: { form: Form; given: Promise<void> } | undefined;
/** Has the token where the browser keeps nothing for pages. */
let here: string | undefined;

/** The way to the proxy, as all pages here make it: where the proxy wants a token, or another, a form asks for it. */
export function dial() {
  let shown: string | undefined;
  /** What the proxy has against that. */
  let objection: string | undefined;
  let mayWait = false;

  async function token(): Promise<string | undefined> {
    // Another connection of this page may have got one meanwhile.
    if (objection !== undefined && kept() === shown) await ask(objection, mayWait);
    objection = undefined;
    shown = kept();
    return shown;
  }

  const mdm = MuxDemux(mux, { token });
  mdm.on("reconnecting", ({ error }) => {
    if (isWanted(error)) [objection, mayWait] = [shown === undefined ? "" : error.detail, false];
  });
  mdm.on("token", (left) => {
    [objection, mayWait] = [`The one that you gave runs out in ${inWords(Number(left))}.`, true];
  });
  mdm.on("refused", (why) => {
    [objection, mayWait] = [String(Object(why).message), true];
    void mdm.renew();
  });
  return mdm;
}

/** Whether it failed because the proxy wants a token, or another than ours. */
export function isWanted(error: unknown): boolean {
  return error instanceof StreamError && error.code === "unauthorized";
}

/** What failed while a token is asked for may be tried again when there is one: whether that was so. */
export async function given(): Promise<boolean> {
  if (!asked || asked.form.mayWait) return false;
  await asked.given;
  return true;
}

/** Where something failed because our token, or having none, does not allow it, another may be given: the page begins anew with it. */
export function offer(error: unknown): void {
  const isOurs = error instanceof StreamError && ["forbidden", "unauthorized"].includes(error.code);
  if (!isOurs || asked?.form.isShown) return;
  const why = kept() ? "The one that you gave does not allow this." : "Without one this is not allowed.";
  void ask(why, true).then(() => location.reload());
}

function ask(why: string, mayWait: boolean): Promise<void> {
  if (!asked) {
    const form = new Form();
    const given = form.token.then((token) => {
      keep(token);
      asked = undefined;
    });
    asked = { form, given };
  }
  asked.form.show(why, mayWait);
  return asked.given;
}

/** What the proxy has against a token, and nothing where it takes it. A connection of its own finds out, for that of the page gets two attempts and no more. */
async function objectionTo(token: string): Promise<string> {
  let trial: MuxDemux | undefined;
  try {
    trial = MuxDemux(mux, { token, reconnect: false });
    // The proxy judges the token before any stream, whatever the stream is for.
    await trial.createStream(undefined, { path: "/ice" }).opened;
    return "";
  } catch (error) {
    const { code, detail } = StreamError.from(error);
    return code === "forbidden" || code === "not_found" ? "" : detail || code;
  } finally {
    trial?.close();
  }
}

class Form {
  /** What the proxy takes. */
  readonly token: Promise<string>;
  /** Things go on without it for now. */
  mayWait = false;
  readonly #form = document.createElement("form");
  #taken = (_token: string): void => {};

  constructor() {
    this.token = new Promise((resolve) => {
      this.#taken = resolve;
    });
    this.#form.className = "panel token";
    this.#form.setAttribute("aria-labelledby", "token-title");
    this.#form.innerHTML = FORM;
    const [field, reveal] = [this.#part<HTMLInputElement>("token"), this.#part("token-reveal")];
    reveal.addEventListener("click", () => {
      const isHidden = field.type === "password";
      field.type = isHidden ? "text" : "password";
      reveal.textContent = isHidden ? "Hide" : "Show";
      reveal.ariaLabel = `${reveal.textContent} the token`;
    });
    this.#part("token-later").addEventListener("click", () => this.#form.remove());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#try(field);
    });
  }

  get isShown(): boolean {
    return this.#form.isConnected;
  }

  show(why: string, mayWait: boolean): void {
    const isNew = !this.isShown;
    this.mayWait = mayWait;
    if (isNew) document.querySelector(".bar")?.after(this.#form);
    const wish = kept() === undefined ? "A token allows more" : "Another token";
    this.#part("token-title").textContent = mayWait ? wish : "This proxy asks for a token";
    this.#part("token-later").hidden = !mayWait;
    this.#say(why);
    // Not from under somebody who types.
    const isTyping = document.activeElement?.matches("input, textarea");
    if (isNew && !mayWait && !isTyping) this.#part("token").focus();
  }

  async #try(field: HTMLInputElement): Promise<void> {
    const token = field.value.trim();
    const button = this.#part<HTMLButtonElement>("token-use");
    button.disabled = true;
    button.textContent = "Asking";
    this.#say("");
    const objection = token ? await objectionTo(token) : "There is nothing in it yet.";
    button.disabled = false;
    button.textContent = "Use it";
    this.#say(objection);
    field.ariaInvalid = `${objection !== ""}`;
    if (objection) return field.select();
    this.#form.remove();
    this.#taken(token);
  }

  #say(problem: string): void {
    const text = problem && `${problem.charAt(0).toUpperCase()}${problem.slice(1).replace(/\.$/, "")}.`;
    if (this.#part("token-problem").textContent !== text) this.#part("token-problem").textContent = text;
  }

  #part<E extends HTMLElement = HTMLElement>(id: string): E {
    return this.#form.querySelector(`#${id}`) as E;
  }
}

const FORM = `
  <h2 id="token-title"></h2>
  <p class="small quiet">It says who you are and what you may do here. You get it from whoever runs this proxy. This tab keeps it until it is closed, and shows it to this proxy alone.</p>
  <label for="token">Token</label>
  <div class="row">
    <input id="token" type="password" autocomplete="off" autocapitalize="off" spellcheck="false" aria-describedby="token-problem">
    <button type="button" id="token-reveal" aria-label="Show the token">Show</button>
    <button type="submit" class="first" id="token-use">Use it</button>
    <button type="button" id="token-later">Later</button>
  </div>
  <p class="problem" role="alert" id="token-problem"></p>`;

function kept(): string | undefined {
  try {
    return sessionStorage.getItem(KEY) ?? undefined;
  } catch {
    return here;
  }
}

function keep(token: string): void {
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    here = token;
  }
}

/** "2 hours", "5 minutes", "less than a minute". */
function inWords(ms: number): string {
  const minutes = Math.floor(ms / MINUTE_MS);
  if (minutes < 1) return "less than a minute";
  const [count, unit] = minutes < 120 ? [minutes, "minute"] : [Math.floor(minutes / 60), "hour"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
