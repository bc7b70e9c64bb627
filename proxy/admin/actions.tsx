// The buttons for what can be done, or why we may not.

import type { Action } from "./action.ts";
import { routeTo } from "./route.ts";
import type { Me } from "./wire.ts";

interface Props {
  readonly actions: readonly Action[];
  readonly me: Me | undefined;
  onAct(action: Action): void;
}

export function Actions({ actions, me, onAct }: Props) {
  if (actions.length === 0) return null;
  const mayAct = me?.mayAct === true;
  return (
    <div class="actions">
      {actions.map((action) => (
        <button key={action.label} type="button" disabled={!mayAct} onClick={() => onAct(action)}>
          {action.label}
        </button>
      ))}
      {!mayAct && (
        <p class="note">
          {reason(me)} <a href={routeTo("token")}>{me?.sub ? "Show another" : "Show a token"}</a>
        </p>
      )}
    </div>
  );
}

function reason(me: Me | undefined): string {
  return me?.sub
    ? `You may only look: the token of “${me.sub}” has no right admin=act.`
    : "You may only look: the proxy was started without --admin-actions. A token with the right admin=act may do more.";
}
