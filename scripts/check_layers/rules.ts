import { posix } from "node:path";
import { blankText, findImports, type ImportSite, lineAt } from "./source_text.ts";

/** One thing a file must not do. */
export interface Violation {
  file: string;
  /** Counted from 1. */
  line: number;
  message: string;
}

/** What a program is put together from. */
const PROGRAM_PARTS = [
  "lib/entry",
  "lib/page",
  "lib/net",
  "lib/host",
  "lib/status",
  "lib/pki",
  "lib/cli",
  "lib/ffi",
  "lib/protocol",
] as const;
/** What each layer may import besides itself. Neighbours in one rank stay apart as well. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "client": PROGRAM_PARTS,
  "server": PROGRAM_PARTS,
  "lib/entry": ["lib/net", "lib/pki", "lib/cli", "lib/ffi", "lib/protocol"],
  "lib/page": ["lib/status", "lib/host", "lib/cli", "lib/ffi", "lib/protocol"],
  "lib/status": ["lib/net", "lib/host", "lib/pki", "lib/cli", "lib/ffi", "lib/protocol"],
  "lib/net": ["lib/ffi", "lib/protocol"],
  "lib/host": ["lib/ffi", "lib/protocol"],
  "lib/pki": ["lib/ffi", "lib/protocol"],
  "lib/cli": ["lib/ffi", "lib/protocol"],
  "lib/ffi": ["lib/protocol"],
  "lib/protocol": [],
};
/**
 * The folders of lib/protocol, from the bytes of the wire up to the session that joins all, and what
 * makes it speak the old wire. Each may import itself and those before it; neighbours in one rank stay
 * apart.
 */
const PROTOCOL_FOLDERS = [
  ["wire"],
  ["packet"],
  ["crypto"],
  ["path"],
  ["schedule", "receive"],
  ["compression"],
  ["session"],
  ["v1"],
] as const;
/** These see everything and nothing but tests may see them. */
const OUTSIDE = ["tests", "scripts", "testing"];
/** The manifest holds the version; it is data, so every layer may read it. */
const MANIFEST = "deno.json";

const LINES_MAX = 400;
const LONG_REASON = /^\s*\/\/ long: \S/m;
const BAD_NAME = /^(?:utils?|helpers?|common|misc)(?:_test)?\.[jt]sx?$/;
const BAD_SCHEME = /^(?:jsr|https?):/;

const PURE_LAYER = "lib/protocol";
/** Reached by name, these are a clock, a timer, chance, or the world outside. */
const IMPURE = [
  /(?<![.\w$])(?:Deno|Date|performance|process|console|navigator|localStorage)\b(?!\s*:)/g,
  /(?<![.\w$])(?:setTimeout|setInterval|setImmediate|queueMicrotask|fetch|WebSocket|Worker)\b(?!\s*:)/g,
  /\bglobalThis\b/g,
  /\bMath\s*\.\s*random\b/g,
  /\b(?:getRandomValues|randomUUID|randomBytes|randomFillSync|randomFill|randomInt)\b/g,
];
/** The deterministic part of node's built-ins: a name outside this list needs a reason to join. */
const PURE_BUILT_INS: Record<string, RegExp> = {
  "node:crypto": /^(?:hkdfSync|createHash|createHmac|hash|timingSafeEqual|create(?:C|Dec)ipheriv)$/,
  "node:zlib": /^(?:\w+Sync|crc32|constants)$/,
  "node:buffer": /^Buffer$/,
  "node:net": /^isIP(?:v[46])?$/,
};

/** Checks one module. `file` is its path from the root of the repository, with slashes. */
export function checkModule(file: string, source: string): Violation[] {
  const violations: Violation[] = [];
  const refuse = (line: number, message: string) => violations.push({ file, line, message });
  const code = blankText(source);
  const layer = layerOf(file);
  const test = isTest(file);

  checkShape(file, source, refuse);
  if (layer === null && file.startsWith("lib/")) refuse(1, "is in no layer: see MAY_IMPORT");
  for (const site of findImports(source, code)) {
    if (BAD_SCHEME.test(site.specifier)) {
      refuse(site.line, `imports '${site.specifier}': use an npm package named in deno.json`);
    }
    if (layer !== null) checkDirection(file, layer, test, site, refuse);
    if (layer === PURE_LAYER) checkFolder(file, test, site, refuse);
    if (layer === PURE_LAYER && !test) checkBuiltIn(site, refuse);
  }
  if (layer === PURE_LAYER && !test) {
    for (const pattern of IMPURE) {
      for (const match of code.matchAll(pattern)) {
        refuse(lineAt(source, match.index), `uses ${match[0]}: ${PURE_LAYER} is pure`);
      }
    }
  }
  return violations.sort((a, b) => a.line - b.line);
}

/** Checks the import map of the manifest: a short name must not hide a bad scheme. */
export function checkManifest(source: string): Violation[] {
  const { imports = {} } = JSON.parse(source) as { imports?: Record<string, string> };
  return Object.values(imports).filter((target) => BAD_SCHEME.test(target)).map((target) => ({
    file: MANIFEST,
    line: lineAt(source, source.indexOf(`"${target}"`)),
    message: `maps to '${target}': use an npm package`,
  }));
}

type Refuse = (line: number, message: string) => void;

function checkShape(file: string, source: string, refuse: Refuse) {
  if (BAD_NAME.test(posix.basename(file))) refuse(1, "has a name that says nothing: name its noun");
  const lines = source.split("\n").length - (source.endsWith("\n") ? 1 : 0);
  if (lines > LINES_MAX && !LONG_REASON.test(source)) {
    refuse(LINES_MAX + 1, `has ${lines} lines: split it, or say why in a line '// long: reason'`);
  }
}

function checkDirection(
  file: string,
  layer: string,
  test: boolean,
  site: ImportSite,
  refuse: Refuse,
) {
  if (!site.specifier.startsWith(".")) return;
  const target = posix.join(posix.dirname(file), site.specifier);
  const targetLayer = layerOf(target);
  if (target === MANIFEST || targetLayer === layer) return;
  if (targetLayer !== null && MAY_IMPORT[layer]!.includes(targetLayer)) return;
  if (test && OUTSIDE.some((folder) => target.startsWith(`${folder}/`))) return;
  refuse(site.line, `imports ${target}: ${layer} must not know ${targetLayer ?? "it"}`);
}

function checkFolder(file: string, test: boolean, site: ImportSite, refuse: Refuse) {
  if (!site.specifier.startsWith(".")) return;
  const target = posix.join(posix.dirname(file), site.specifier);
  const [from, to] = [protocolFolder(file), protocolFolder(target)];
  if (to === null || from === to) return;
  // A test may use what is beside its subject, but not what stands on it.
  const isBelow = rankOf(to) < rankOf(from) || test && rankOf(to) === rankOf(from);
  if (isBelow && rankOf(to) >= 0) return;
  refuse(site.line, `imports ${target}: ${PURE_LAYER}/${from} must not know ${to}`);
}

/** The folder of lib/protocol that a file is in, or null. */
function protocolFolder(file: string): string | null {
  const [lib, layer, folder, ...rest] = file.split("/");
  if (`${lib}/${layer}` !== PURE_LAYER || rest.length === 0) return null;
  return folder!;
}

function rankOf(folder: string | null): number {
  return PROTOCOL_FOLDERS.findIndex((rank) => rank.some((name) => name === folder));
}

function checkBuiltIn(site: ImportSite, refuse: Refuse) {
  if (!site.specifier.startsWith("node:") || site.clause.startsWith("type ")) return;
  const pure = PURE_BUILT_INS[site.specifier];
  if (pure === undefined) {
    refuse(site.line, `imports ${site.specifier}: ${PURE_LAYER} is pure`);
    return;
  }
  const names = /^\{([^}]*)\}$/.exec(site.clause)?.[1];
  if (names === undefined) {
    refuse(site.line, `imports all of ${site.specifier}: name what is used`);
    return;
  }
  for (const entry of names.split(",").map((name) => name.trim())) {
    const name = entry.split(/\s+as\s+/)[0]!;
    if (name !== "" && !name.startsWith("type ") && !pure.test(name)) {
      refuse(site.line, `imports ${name} of ${site.specifier}: ${PURE_LAYER} is pure`);
    }
  }
}

function layerOf(file: string): string | null {
  return Object.keys(MAY_IMPORT).find((layer) => file.startsWith(`${layer}/`)) ?? null;
}

/** Tests, and the modules only tests use. */
function isTest(file: string): boolean {
  const name = posix.basename(file);
  return /_test\.[jt]sx?$/.test(name) || name.startsWith("test_");
}
