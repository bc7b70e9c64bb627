// How the proxy is as a whole: its counts, the last minutes, what it refused, and what happened last.

import { type Action, DRAIN } from "./action.ts";
import { Actions } from "./actions.tsx";
import { Chart, type Curve } from "./chart.tsx";
import { cellText } from "./field.ts";
import { newest } from "./history.ts";
import { KINDS } from "./kind.ts";
import { order } from "./order.ts";
import { age, count, rate, size } from "./quantity.ts";
import { routeTo } from "./route.ts";
import { rowsOf, type State } from "./state.ts";
import { keyOf, type Me, type Overview as Said } from "./wire.ts";

interface Props {
  readonly state: State;
  readonly me: Me | undefined;
  readonly isDark: boolean;
  onAct(action: Action): void;
}

const TRAFFIC: readonly Curve[] = [
  { line: "received_rate", title: "Received" },
  { line: "sent_rate", title: "Sent" },
];
const MEMORY: readonly Curve[] = [
  { line: "memory_used", title: "Buffers" },
  { line: "rss", title: "Process" },
];
const PEERS: readonly Curve[] = [
  { line: "sessions", title: "Sessions" },
  { line: "streams", title: "Streams" },
  { line: "names", title: "Names" },
];
const EVENTS_SHOWN = 8;

export function Overview({ state, me, isDark, onAct }: Props) {
  const { history, now } = state;
  const said = history.last;
  const counts = said?.counts ?? {};
  const charts = { history, isDark };
  return (
    <div class="overview">
      <Condition said={said} />
      {said?.missing?.map((node) => (
        <p key={node} class="status large" data-state="bad" role="status">
          No answer from node {String(node)}
        </p>
      ))}
      <dl class="figures">
        {said?.node && <Figure title="Node" text={said.node} />}
        <Figure title="Running for" text={said ? age(now - (counts.since_ms ?? now)) : "–"} />
        <Figure title="Received" text={rate(newest(history, "received_rate") ?? 0)} />
        <Figure title="Sent" text={rate(newest(history, "sent_rate") ?? 0)} />
        <Figure title="Received in all" text={size(counts.received ?? 0)} />
        <Figure title="Sent in all" text={size(counts.sent ?? 0)} />
        <Memory used={counts.memory_used ?? 0} budget={counts.memory_budget ?? 0} />
      </dl>
      <div class="charts">
        <Chart title="Traffic" curves={TRAFFIC} text={rate} {...charts} />
        <Chart title="Memory" curves={MEMORY} text={size} {...charts} />
        <Chart title="Peers" curves={PEERS} text={(number) => count(Math.round(number))} {...charts} />
      </div>
      <p class="note">
        The charts begin when this page is opened: the proxy keeps no history. For that, let Prometheus ask /metrics.
      </p>
      <div class="halves">
        <Refusals refusals={said?.refusals ?? {}} />
        <Last state={state} />
      </div>
      <Actions actions={[DRAIN]} me={me} onAct={onAct} />
    </div>
  );
}

function Condition({ said }: { said: Said | undefined }) {
  const [mark, text] = !said
    ? ["working", "Waiting for the first word"]
    : said.isDraining
      ? ["bad", "Drains: it takes no new sessions"]
      : said.isReady
        ? ["good", "Ready"]
        : ["bad", `Not ready: ${said.reason ?? "it does not say why"}`];
  return (
    <p class="status large" data-state={mark} role="status">
      {text}
    </p>
  );
}

function Figure({ title, text }: { title: string; text: string }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>{text}</dd>
    </div>
  );
}

function Memory({ used, budget }: { used: number; budget: number }) {
  return (
    <div>
      <dt id="memory">Buffers of {size(budget)}</dt>
      <dd>
        {size(used)} <meter aria-labelledby="memory" min={0} max={budget || 1} high={budget * 0.8 || 1} value={used} />
      </dd>
    </div>
  );
}

function Refusals({ refusals }: { refusals: Said["refusals"] }) {
  const all = Object.entries(refusals).sort(([a], [b]) => (a < b ? -1 : 1));
  const some = all.filter(([, times]) => times > 0);
  return (
    <section aria-labelledby="refusals">
      <h3 id="refusals">Refused</h3>
      {some.length === 0 ? (
        <p class="note">Nobody was refused anything since the proxy began.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">Why</th>
              <th scope="col" class="number">
                Times
              </th>
            </tr>
          </thead>
          <tbody>
            {some.map(([reason, times]) => (
              <tr key={reason}>
                <td class="code">{reason}</td>
                <td class="number">{count(times)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Last({ state }: { state: State }) {
  const { sort, searched, empty } = KINDS.events;
  const all = order(rowsOf(state, "events"), "", searched, sort).slice(0, EVENTS_SHOWN);
  return (
    <section aria-labelledby="last">
      <h3 id="last">
        <a href={routeTo("events")}>Last events</a>
      </h3>
      {all.length === 0 ? (
        <p class="note">{empty}</p>
      ) : (
        <ol class="last">
          {all.map((row) => (
            <li key={keyOf(row)}>
              <time>{cellText("at_ms", row, state.now)}</time> <span class="code">{row.kind}</span>{" "}
              <bdi>{row.text || row.name || cellText("session", row, state.now)}</bdi>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
