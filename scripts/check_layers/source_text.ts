/** Where a module names another one. */
export interface ImportSite {
  /** As written between the quotes. */
  specifier: string;
  /** What stands between `import` and `from`: `{ a, type B }`, `* as c`, or nothing. */
  clause: string;
  /** Counted from 1. */
  line: number;
}

const IMPORTS = [
  /\b(?:import|export)\b(?!\s*\()([^;"'`()]*?)\bfrom\s*(["'])/g,
  /\bimport()\s*(["'])/g,
  /\bimport()\s*\(\s*(["'`])/g,
];
/** Behind one of these a `/` starts a regular expression, behind anything else it divides. */
const BEFORE_EXPRESSION =
  /(?:^|[(,=:[!&|?{};+\-*%^~<>]|\b(?:return|typeof|case|in|of|do|else|void))$/;

/**
 * Returns `source` with the inside of comments, strings, templates and regular expressions made
 * blank. Offsets and line breaks stay, and so do the quotes and the code inside `${}`.
 */
export function blankText(source: string): string {
  const code = source.split("");
  /** Depth of braces inside each `${}` that is open. */
  const templates: number[] = [];
  let at = 0;
  const blankTo = (end: number) => {
    for (; at < end && at < code.length; at++) if (code[at] !== "\n") code[at] = " ";
  };
  const endOf = (mark: string, from: number) => {
    const found = source.indexOf(mark, from);
    return found === -1 ? source.length : found;
  };
  while (at < source.length) {
    const character = source[at]!;
    const pair = source.slice(at, at + 2);
    if (pair === "//") blankTo(endOf("\n", at));
    else if (pair === "/*") blankTo(endOf("*/", at + 2) + 2);
    else if (character === '"' || character === "'") {
      at++;
      blankTo(endOfQuoted(source, at, character));
      at++;
    } else if (character === "/" && startsExpression(code, at)) {
      at++;
      blankTo(endOfPattern(source, at));
      at++;
    } else if (character === "`" || (character === "}" && templates.at(-1) === 0)) {
      if (character === "}") templates.pop();
      at++;
      blankTo(endOfTemplatePart(source, at));
      if (source[at] === "$") {
        templates.push(0);
        at++;
      }
      at++;
    } else {
      if (templates.length > 0 && character === "{") templates[templates.length - 1]! += 1;
      if (templates.length > 0 && character === "}") templates[templates.length - 1]! -= 1;
      at++;
    }
  }
  return code.join("");
}

/** Finds the imports of `source`; `code` is its blankText(). */
export function findImports(source: string, code: string): ImportSite[] {
  const sites: ImportSite[] = [];
  for (const pattern of IMPORTS) {
    for (const match of code.matchAll(pattern)) {
      const start = match.index + match[0].length;
      const end = code.indexOf(match[2]!, start);
      if (end === -1) continue;
      sites.push({
        specifier: source.slice(start, end),
        clause: match[1]!.trim(),
        line: lineAt(source, start),
      });
    }
  }
  return sites.sort((a, b) => a.line - b.line);
}

/** The line of the character at `offset`, counted from 1. */
export function lineAt(source: string, offset: number): number {
  let line = 1;
  for (let at = source.indexOf("\n"); at !== -1 && at < offset; at = source.indexOf("\n", at + 1)) {
    line++;
  }
  return line;
}

function endOfQuoted(source: string, from: number, quote: string): number {
  let at = from;
  while (at < source.length && source[at] !== quote && source[at] !== "\n") {
    at += source[at] === "\\" ? 2 : 1;
  }
  return at;
}

function endOfTemplatePart(source: string, from: number): number {
  let at = from;
  while (at < source.length && source[at] !== "`" && source.slice(at, at + 2) !== "${") {
    at += source[at] === "\\" ? 2 : 1;
  }
  return at;
}

function endOfPattern(source: string, from: number): number {
  let inClass = false;
  let at = from;
  for (; at < source.length && source[at] !== "\n"; at++) {
    const character = source[at]!;
    if (character === "\\") at++;
    else if (character === "[") inClass = true;
    else if (character === "]") inClass = false;
    else if (character === "/" && !inClass) break;
  }
  return at;
}

function startsExpression(code: string[], at: number): boolean {
  let before = at - 1;
  while (before >= 0 && /\s/.test(code[before]!)) before--;
  return BEFORE_EXPRESSION.test(code.slice(Math.max(0, before - 9), before + 1).join(""));
}
