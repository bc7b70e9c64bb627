// Who is in a room, asked for when somebody looks, and again when that changes.

import { useEffect, useState } from "preact/hooks";
import { type Action, actionsOnMember } from "./action.ts";
import { Actions } from "./actions.tsx";
import { ask, path, Refusal } from "./ask.ts";
import { Grid } from "./grid.tsx";
import { MEMBERS } from "./kind.ts";
import { fields, keyOf, type Me, type Row, readRows } from "./wire.ts";

interface Props {
  readonly room: Row;
  readonly now: number;
  readonly me: Me | undefined;
  readonly isPhone: boolean;
  onAct(action: Action): void;
}

/** As many as the proxy tells at once. */
const MEMBERS_MAX = 10_000;
/** Who goes while another comes leaves the count as it is. */
const LOOK_AGAIN_MS = 5000;

export function Members({ room, now, me, isPhone, onAct }: Props) {
  const [members, setMembers] = useState<ReadonlyMap<string, Row>>(new Map());
  const [problem, setProblem] = useState("Asking who is in it …");
  const [sort, setSort] = useState(MEMBERS.sort);
  const [selected, setSelected] = useState<string>();
  const name = String(room.name);
  useEffect(() => {
    let isOver = false;
    const look = async (): Promise<void> => {
      try {
        const told = await ask({ method: "GET", path: `${path("rooms", name, "members")}?limit=${MEMBERS_MAX}` });
        if (isOver) return;
        setMembers(new Map(readRows(fields(told).rows).map((row) => [keyOf(row), row])));
        setProblem(MEMBERS.empty);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        if (!isOver) setProblem(`They are not told: ${error.message}`);
      }
    };
    void look();
    const timer = setInterval(look, LOOK_AGAIN_MS);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [name, room.members]);
  const member = selected === undefined ? undefined : members.get(selected);
  return (
    <section class="members" aria-label="Members">
      <h3>Members</h3>
      <Grid
        id="member"
        kind={MEMBERS}
        rows={members}
        now={now}
        search=""
        sort={sort}
        selected={selected}
        isPhone={isPhone}
        empty={problem}
        onSelect={setSelected}
        onSort={setSort}
      />
      {member ? (
        <Actions actions={actionsOnMember(name, member)} me={me} onAct={onAct} />
      ) : (
        <p class="note">Choose a member to move or remove it.</p>
      )}
    </section>
  );
}
