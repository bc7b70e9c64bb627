// One chart of the last minutes, drawn by uPlot, with its legend in the page so that it is read out and nothing moves.

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { type History, newest, SECONDS } from "./history.ts";

export interface Curve {
  readonly line: string;
  readonly title: string;
}

interface Props {
  readonly title: string;
  readonly curves: readonly Curve[];
  readonly history: History;
  readonly isDark: boolean;
  text(value: number): string;
}

const HEIGHT = 190;
/** The room for what stands at the left: the widest text that there may be. */
const SIDE = 68;
/** How many seconds are shown at first; then as many as there are. */
const FIRST = 60;
/** An empty chart is not drawn from nothing to nothing. */
const LEAST = 10;

export function Chart({ title, curves, history, isDark, text }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  /** Where the pointer is, as an index of the history. */
  const [at, setAt] = useState<number | null>(null);

  // Colours are read anew when the scheme is another.
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    plot.current = new uPlot(options(box, curves, text, setAt), data(history, curves), box);
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: box.clientWidth, height: HEIGHT }));
    observer.observe(box);
    return () => {
      observer.disconnect();
      plot.current?.destroy();
    };
  }, [isDark]);
  useEffect(() => plot.current?.setData(data(history, curves)), [history, curves]);

  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        <ul>
          {curves.map(({ line, title }, n) => {
            const value = at === null ? newest(history, line) : history.lines[line]?.[at];
            return (
              <li key={line} class={`curve-${n}`}>
                {title} <output>{typeof value === "number" ? text(value) : "–"}</output>
              </li>
            );
          })}
        </ul>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={`${title} over the last minutes`} />
    </figure>
  );
}

function data(history: History, curves: readonly Curve[]): uPlot.AlignedData {
  return [[...history.time], ...curves.map(({ line }) => [...(history.lines[line] ?? [])])];
}

function options(
  box: HTMLElement,
  curves: readonly Curve[],
  text: Props["text"],
  point: (at: number | null) => void,
): uPlot.Options {
  // A canvas does not know variables, nor that there are two schemes.
  const colour = (name: string): string => {
    box.style.color = `var(${name})`;
    return getComputedStyle(box).color;
  };
  const font = `12px ${getComputedStyle(box).fontFamily}`;
  const axis = {
    stroke: colour("--quiet"),
    font,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width: box.clientWidth,
    height: HEIGHT,
    padding: [8, 28, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 }, y: false },
    hooks: {
      setCursor: [({ cursor }) => point(cursor.left === undefined || cursor.left < 0 ? null : (cursor.idx ?? null))],
    },
    scales: {
      x: { range: (_, first, last) => [Math.max(last - SECONDS, Math.min(first, last - FIRST)), last] },
      y: { range: (_, __, most) => [0, Math.max(LEAST, (most || 0) * 1.1)] },
    },
    axes: [
      { ...axis, size: 28, space: 70, values: "{HH}:{mm}:{ss}" },
      { ...axis, size: SIDE, space: 36, values: (_, marks) => marks.map(text) },
    ],
    series: [
      {},
      ...curves.map((_, n) => ({ stroke: colour(`--curve-${n}`), width: 2, points: { show: false }, spanGaps: false })),
    ],
  };
}
