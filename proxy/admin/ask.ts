// What is asked of the proxy over HTTP: who we are, details, and what is to be done.

import { token } from "./token.ts";
import { fields } from "./wire.ts";

/** What the proxy answered instead, or that it did not (`status` 0). */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export interface Request {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Below the API, its parts already encoded. */
  readonly path: string;
  readonly body?: unknown;
}

/** What the proxy answers, or a {@link Refusal} thrown. */
export async function ask({ method, path, body = {} }: Request): Promise<unknown> {
  const shown = token();
  const headers = new Headers(shown ? { authorization: `Bearer ${shown}` } : {});
  const init: RequestInit = { method, headers, cache: "no-store", credentials: "omit" };
  if (method !== "GET") {
    headers.set("content-type", "application/json");
    init.body = JSON.stringify(body);
  }
  const lost = (error: unknown): never => {
    throw new Refusal(0, "lost", `the proxy does not answer (${error})`);
  };
  const response = await fetch(`/admin/api/${path}`, init).catch(lost);
  const text = await response.text().catch(lost);
  if (!response.ok) throw refusal(response.status, text);
  return text ? JSON.parse(text) : undefined;
}

/** The names in a path, as one part each. */
export function path(...parts: string[]): string {
  return parts.map(encodeURIComponent).join("/");
}

/** Errors are JSON; those of the door are `code: text`. */
function refusal(status: number, body: string): Refusal {
  try {
    const { code, message } = fields(JSON.parse(body));
    if (typeof code === "string") return new Refusal(status, code, typeof message === "string" ? message : code);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const [, code = String(status), message = body] = /^([a-z_-]+): (.*)/s.exec(body.trim()) ?? [];
  return new Refusal(status, code, message.trim() || `the proxy answered ${status}`);
}
