/**
 * Rows as lines with aligned columns, two spaces apart; the last column is not padded.
 * `heading` null: no heading.
 */
export function formatTable(heading: string[] | null, rows: readonly string[][]): string[] {
  const all = heading === null ? rows : [heading, ...rows];
  const widths: number[] = [];
  for (const row of all) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return all.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()
  );
}
