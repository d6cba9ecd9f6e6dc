import { equal, match } from "node:assert/strict";
import { terminalSvg } from "./terminal_svg.ts";

Deno.test("a screen becomes a picture with its colours, and nothing of it is markup", () => {
  const svg = terminalSvg(
    "\x1b[7m bar \x1b[0m\n\x1b[1m\x1b[31m<bad>\x1b[39m & \x1b[0mplain\n\n",
    10,
  );
  match(svg, /^<svg [^>]*viewBox="0 0 108 60"/);
  match(svg, /<rect x="12\.0" y="12" width="42\.0" height="18" fill="#d8dee9"\/>/);
  match(svg, /fill="#e06c75" font-weight="bold">&lt;bad&gt;</);
  match(svg, /&amp; </);
  match(svg, /<text x="79\.2"[^>]*>plain</);
  equal(svg.trimEnd().endsWith("</svg>"), true);
});
