/** What a dashboard of Grafana asks Prometheus for. */

interface Dashboard {
  readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
  readonly annotations: { readonly list: readonly { readonly expr?: string }[] };
}

/** Words of the query language, and of labels, never begin so. */
const METRIC = /\bfluxify_[a-z0-9_]+\b/g;

/** The queries, with what Grafana puts in the place of its variables. */
export function queriesOf({ panels, annotations }: Dashboard): string[] {
  const all = [
    ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...annotations.list.flatMap(({ expr }) => expr ?? []),
  ];
  return all.map((query) =>
    query.replaceAll("$instance", ".*").replaceAll("$__rate_interval", "1m")
  );
}

/** The metrics that `queries` name and that are not in `known`. */
export function unknownMetrics(queries: readonly string[], known: ReadonlySet<string>): string[] {
  const named = new Set(queries.flatMap((query) => query.match(METRIC) ?? []));
  return [...named].filter((name) => !known.has(name));
}
