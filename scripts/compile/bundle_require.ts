/**
 * Modules of the older kind (CommonJS) ask for Node's own by `require`. esbuild leaves a function for
 * that in a bundle, and `deno bundle` puts a working one in its place where it recognizes it: in a
 * minified bundle that depends on the name the function happens to get. So it is done here as well.
 */
import { CompileError } from "./deno_command.ts";

/** The function as esbuild 0.25 writes it, minified. */
const MISSING_REQUIRE =
  /\([\w$]+=>typeof require<"u"\?require:typeof Proxy<"u"[\s\S]{1,400}?throw Error\('Dynamic require of "'\+[\w$]+\+'" is not supported'\)\}\)/;
const MARK = "Dynamic require of";

/**
 * The bundle with a `require` that works. @throws CompileError when it would have one that does not.
 */
export function withRequire(bundle: string): string {
  if (!bundle.includes(MARK)) return bundle;
  const mended = 'import{createRequire as __fluxifyCreateRequire}from"node:module";' +
    bundle.replace(MISSING_REQUIRE, "__fluxifyCreateRequire(import.meta.url)");
  if (!mended.includes(MARK)) return mended;
  throw new CompileError(
    "The bundle asks for modules in a way that fails when it runs: see scripts/compile/bundle_require.ts",
  );
}
