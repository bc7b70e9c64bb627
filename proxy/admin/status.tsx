// How the connection is, in words that change only when it is another.

import { useEffect, useState } from "preact/hooks";
import type { Connection } from "./live.ts";

const WORDS: Record<Connection["state"], readonly [mark: string, text: string]> = {
  connecting: ["working", "Connecting"],
  open: ["good", "Live"],
  waiting: ["working", "Reconnecting"],
  closed: ["bad", "Not connected: load this page again"],
};

export function Status({ connection, onHurry }: { connection: Connection; onHurry(): void }) {
  const { state, problem, nextTry } = connection;
  const [mark, text] = WORDS[state];
  return (
    <div class="connection">
      <p class="status" data-state={mark} title={problem}>
        <span role="status">{text}</span>
      </p>
      {state === "waiting" && (
        <>
          <Countdown to={nextTry} />
          <button type="button" class="slight" onClick={onHurry}>
            Try now
          </button>
        </>
      )}
    </div>
  );
}

function Countdown({ to = 0 }: { to: number | undefined }) {
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 250);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.ceil((to - now) / 1000);
  return <small>{seconds > 0 ? `next try in ${seconds} s` : "trying"}</small>;
}
