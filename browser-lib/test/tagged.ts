// Values that JSON has not, as the vectors write them: `{"$bigint": "5"}`, `{"$date": 0}`, `{"$binary": "00ff"}`, `{"$number": "NaN"}`.

import { fromHex } from "./vectors.ts";

export function fromTagged(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromTagged);
  if (typeof value !== "object" || value === null) return value;
  const [entry] = Object.entries(value);
  if (entry?.[0] === "$bigint") return BigInt(entry[1] as string);
  if (entry?.[0] === "$date") return new Date(entry[1] as number);
  if (entry?.[0] === "$binary") return fromHex(entry[1] as string);
  if (entry?.[0] === "$number") return Number(entry[1]);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromTagged(item)]));
}
