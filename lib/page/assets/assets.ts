/** The files of the page. They are part of the program, in each form it is built in. */
import chartStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import charts from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import actions from "./actions.js" with { type: "text" };
import figures from "./figures.js" with { type: "text" };
import history from "./history.js" with { type: "text" };
import lanes from "./lanes.js" with { type: "text" };
import page from "./page.html" with { type: "text" };
import script from "./page.js" with { type: "text" };
import sessions from "./sessions.js" with { type: "text" };
import style from "./page.css" with { type: "text" };

interface Asset {
  readonly type: string;
  readonly text: string;
}

const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

/** By their path. Nothing in them is secret: they are given to whoever asks. */
export const ASSETS: ReadonlyMap<string, Asset> = new Map([
  ["/", { type: "text/html; charset=utf-8", text: page }],
  ["/assets/page.css", { type: STYLE, text: style }],
  ["/assets/uplot.css", { type: STYLE, text: chartStyle }],
  ["/assets/uplot.js", { type: SCRIPT, text: charts }],
  ["/assets/page.js", { type: SCRIPT, text: script }],
  ["/assets/figures.js", { type: SCRIPT, text: figures }],
  ["/assets/lanes.js", { type: SCRIPT, text: lanes }],
  ["/assets/sessions.js", { type: SCRIPT, text: sessions }],
  ["/assets/history.js", { type: SCRIPT, text: history }],
  ["/assets/actions.js", { type: SCRIPT, text: actions }],
]);
