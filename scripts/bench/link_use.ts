import type { FigureName } from "./figures.ts";
import { LINKS } from "./testbed.ts";

/**
 * How the bytes of each figure were spread over the links. A bond that puts a flow on one link
 * spares itself the reordering, so a reader must know before comparing.
 */
export class LinkUse {
  #bytes = new Map<FigureName, number[]>();

  /** Takes the counters of the links, in the order of LINKS, from before and after a run. */
  add(figure: FigureName, before: readonly number[], after: readonly number[]): void {
    const sums = this.#bytes.get(figure) ?? LINKS.map(() => 0);
    this.#bytes.set(figure, sums.map((sum, i) => sum + after[i]! - before[i]!));
  }

  /** As in "wan1/wan2: tcp1_up 60/40 %, tcp1_down 55/45 %"; null when nothing was carried. */
  describe(): string | null {
    const figures = [...this.#bytes].map(([figure, bytes]) => {
      const total = bytes.reduce((sum, link) => sum + link, 0);
      const shares = bytes.map((link) => (total === 0 ? 0 : link / total * 100).toFixed(0));
      return `${figure} ${shares.join("/")} %`;
    });
    return figures.length === 0 ? null : `${LINKS.join("/")}: ${figures.join(", ")}`;
  }
}
