/** The documents point to what is there. */
import { deepEqual } from "node:assert/strict";
import { dirname, join, normalize, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname!, "..");
const DOCUMENTS = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  ...[...Deno.readDirSync(join(ROOT, "docs"))].map(({ name }) => `docs/${name}`)
    .filter((path) => path.endsWith(".md")),
];
const TEXTS = new Map(DOCUMENTS.map((path) => [path, Deno.readTextFileSync(join(ROOT, path))]));
/** Text of a link, its file, and the heading in it. */
const LINK = /\[([^\]]*)\]\(([^)#:\s]*)(?:#([^)]*))?\)/g;

/** As GitHub makes them. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}_\- ]/gu, "").trim().replaceAll(" ", "-");
}

function headingsOf(path: string): string[] {
  return [...TEXTS.get(path)?.matchAll(/^#{1,6} (.*)$/gm) ?? []].map(([, heading]) => heading!);
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(join(ROOT, path)) !== null;
  } catch {
    return false;
  }
}

Deno.test("links between the documents lead to files and headings", () => {
  const lost = [...TEXTS].flatMap(([path, text]) =>
    [...text.matchAll(LINK)].flatMap(([link, , file = "", anchor]) => {
      const target = file === "" ? path : normalize(join(dirname(path), file));
      if (!isThere(target)) return [`${path}: ${link}`];
      const isHeading = anchor === undefined || headingsOf(target).map(anchorOf).includes(anchor);
      return isHeading ? [] : [`${path}: ${link}`];
    })
  );
  deepEqual(lost, []);
});

Deno.test("the contents of docs/operations.md are headings of it, in their order", () => {
  const path = "docs/operations.md";
  const contents = TEXTS.get(path)!.split("\n## ")[0]!;
  const listed = [...contents.matchAll(LINK)].map(([, text]) => text!);
  // One that stood twice would be two places of one name.
  deepEqual(listed, headingsOf(path).filter((heading) => listed.includes(heading)));
  const parts = [...TEXTS.get(path)!.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading!);
  deepEqual(parts.filter((heading) => !listed.includes(heading)), []);
});

Deno.test("no span of code is broken by the end of a line", () => {
  const broken = [...TEXTS].flatMap(([path, text]) =>
    text.replaceAll(/^ *```.*?^ *```/gms, "").split(/\n\s*\n/).flatMap((paragraph) =>
      [...paragraph.matchAll(/`[^`]+`/g)].map(([span]) => span).filter((span) =>
        span.includes("\n")
      )
        .map((span) => `${path}: ${span}`)
    )
  );
  deepEqual(broken, []);
});
