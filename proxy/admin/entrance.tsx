// What is shown before the proxy lets us look: a token is asked for, or it is said that nobody answers.

import type { Door } from "./store.ts";

export function Entrance({ door, onToken }: { door: Door; onToken(token: string): void }) {
  if (!("problem" in door)) return <p class="alone later">Asking the proxy …</p>;
  if (door.kind === "away") {
    return (
      <div class="alone">
        <h2>The proxy does not answer</h2>
        <p role="status">It is asked again every two seconds: {door.problem}</p>
      </div>
    );
  }
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const shown = new FormData(event.currentTarget as HTMLFormElement).get("token");
    onToken(String(shown).trim());
  };
  return (
    <form class="alone" onSubmit={submit}>
      <h2>A token, please</h2>
      <p>
        This proxy shows itself to who has a token with the right <code>admin=read</code>. To do something needs{" "}
        <code>admin=act</code>. Make one with <code>bss token mint --admin read</code>. It is kept in this tab only.
      </p>
      <label>
        Token
        <input name="token" type="password" required autocomplete="off" spellcheck={false} />
      </label>
      <p class="problem" role="alert">
        {door.problem && `It was not taken: ${door.problem}`}
      </p>
      <button type="submit" class="first">
        Look
      </button>{" "}
      <button type="button" onClick={() => onToken("")}>
        Without one
      </button>
    </form>
  );
}
