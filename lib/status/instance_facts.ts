/** Which program answers, and since when it runs. */

export interface InstanceFacts {
  /** As in `fluxify-client`. */
  readonly program: string;
  readonly version: string;
  readonly instance: string;
  readonly processId: number;
  /** As in `2026-03-01T08:00:00.000Z`. */
  readonly startedAt: string;
  readonly uptimeMs: number;
}

/** Begins now; the result reads the facts. `monotonicMs` as performance.now(). */
export function instanceFacts(
  facts: Pick<InstanceFacts, "program" | "version" | "instance" | "processId">,
  startedAt: Date,
  monotonicMs: () => number,
): () => InstanceFacts {
  const since = monotonicMs();
  return () => ({
    ...facts,
    startedAt: startedAt.toISOString(),
    uptimeMs: Math.round(monotonicMs() - since),
  });
}
