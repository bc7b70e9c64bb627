// Asks before something is done, says how it went, and lets one try again.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Action, Input } from "./action.ts";
import { ask, Refusal } from "./ask.ts";

interface Props {
  readonly action: Action;
  /** With what is said of it once it is done. */
  onClose(done?: string): void;
}

export function Confirm({ action, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isWorking, setWorking] = useState(false);
  const [problem, setProblem] = useState("");
  useEffect(() => dialog.current?.showModal(), []);

  const act = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const inputs = new FormData(event.currentTarget as HTMLFormElement);
    setWorking(true);
    setProblem("");
    try {
      await ask(action.request(Object.fromEntries([...inputs].map(([name, value]) => [name, String(value)]))));
      onClose(action.done);
    } catch (error) {
      if (error instanceof Refusal) setProblem(`It was not done: ${error.message} (${error.code})`);
      else if (error instanceof SyntaxError) setProblem(`This cannot be read: ${error.message}`);
      else throw error;
      setWorking(false);
    }
  };

  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" aria-describedby="confirm-what" onClose={() => onClose()}>
      <form onSubmit={act}>
        <h2 id="confirm-title">{action.label}</h2>
        <p id="confirm-what">{action.what}</p>
        {action.inputs.map((input) => (
          <div key={input.name}>
            <label for={`confirm-${input.name}`}>{input.label}</label>
            <Field input={input} />
          </div>
        ))}
        <p class="problem" role="alert">
          {problem}
        </p>
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="first" disabled={isWorking}>
            {isWorking ? "Working…" : action.label}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function Field({ input: { name, value, kind } }: { input: Input }) {
  const usual = { name, id: `confirm-${name}`, defaultValue: value, required: kind !== "number" };
  if (kind === "json") return <textarea {...usual} rows={4} spellcheck={false} />;
  if (kind === "number") return <input {...usual} type="number" min={0} max={86_400} />;
  return <input {...usual} autocomplete="off" />;
}
