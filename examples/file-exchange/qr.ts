// A link as a QR code: dark on white in any colour scheme, because not every phone reads it the other way round.

import { encode } from "uqr";

const SVG = "http://www.w3.org/2000/svg";

export function qr(text: string): SVGElement {
  const { data, size } = encode(text, { ecc: "M", border: 3 });
  const dark = data.flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : "")));
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", `0 0 ${size} ${size}`);
  picture.setAttribute("shape-rendering", "crispEdges");
  picture.append(shape("#fff", `M0 0h${size}v${size}H0z`), shape("#000", dark.join("")));
  return picture;
}

function shape(fill: string, d: string): SVGElement {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("fill", fill);
  path.setAttribute("d", d);
  return path;
}
