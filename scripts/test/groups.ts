/**
 * The suite in groups that run side by side. A test in namespaces mostly waits, so two cores carry
 * several; each file of them is a process of its own, since namespaces are named by process. What
 * measures how fast something is has the machine to itself, at the end.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Their results mean something only on a machine that does nothing else. */
const ALONE: readonly string[] = [
  "scripts/emulator/emulator_test.ts",
  "scripts/demo_test.ts",
  "scripts/bench_test.ts",
  "tests/e2e/compression_test.ts",
  "tests/e2e/idle_clients_test.ts",
  "tests/e2e/old_server_uploads_test.ts",
  "tests/e2e/redundancy_test.ts",
  "tests/e2e/schedulers_test.ts",
];
/** They wait for more than a minute, which the others may use if these begin first. */
const LONGEST: readonly string[] = [
  "tests/e2e/kill_switch_test.ts",
  "tests/e2e/shared_certificate_test.ts",
];
/** How test files say that they need namespaces. */
const IN_NAMESPACES = /\bneeds(?:Root|Daemons)\b|\btopic\(|\bNamespace\.create\b/;
const TEST_FILE = /_test\.ts$/;

export interface TestGroups {
  /** Run side by side, each in a process of its own, the first ones first. */
  readonly together: readonly (readonly string[])[];
  /** Run afterwards, one after the other. */
  readonly alone: readonly (readonly string[])[];
}

/** Scenarios that the suite runs, too: traffic flows, and nothing of it is left on the machine. */
const SMOKE: readonly string[] = [
  "tests/e2e/host_state_test.ts",
  "tests/e2e/traffic_test.ts",
];
const SCENARIOS = "tests/e2e/";

/** The suite without the scenarios of `deno task e2e`, but for a few. */
export function withoutScenarios(groups: TestGroups): TestGroups {
  const isOfSuite = (file: string) => !file.startsWith(SCENARIOS) || SMOKE.includes(file);
  const keep = (lists: readonly (readonly string[])[]) =>
    lists.map((files) => files.filter(isOfSuite)).filter((files) => files.length > 0);
  return { together: keep(groups.together), alone: keep(groups.alone) };
}

/** The groups of all test files in the folders `roots` of `root`. */
export function groupTests(root: string, roots: readonly string[]): TestGroups {
  const files = roots.flatMap((folder) => testFiles(root, folder)).sort();
  const alone = files.filter((file) => ALONE.includes(file));
  const shared = files.filter((file) => !ALONE.includes(file));
  const isInNamespaces = (file: string) =>
    IN_NAMESPACES.test(readFileSync(join(root, file), "utf8"));
  const inNamespaces = shared.filter(isInNamespaces);
  const plain = shared.filter((file) => !inNamespaces.includes(file));
  const folders = Object.values(Object.groupBy(plain, folderOf)).filter((files) =>
    files !== undefined
  );
  // What takes longest is begun first, so that it is not what the others wait for in the end.
  const longestFirst = inNamespaces.toSorted((a, b) => rank(a) - rank(b));
  return {
    together: [...folders, ...longestFirst.map((file) => [file])],
    alone: alone.map((file) => [file]),
  };
}

/** Files of one folder of the first two levels share a process. */
function folderOf(file: string): string {
  return dirname(file).split("/").slice(0, 2).join("/");
}

function rank(file: string): number {
  if (LONGEST.includes(file)) return 0;
  return file.startsWith("tests/") ? 1 : 2;
}

function testFiles(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => TEST_FILE.test(file))
    .map((file) => join(folder, file));
}
