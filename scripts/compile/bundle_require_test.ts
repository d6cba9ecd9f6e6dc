import { equal, throws } from "node:assert/strict";
import { CompileError } from "./deno_command.ts";
import { withRequire } from "./bundle_require.ts";

const shim = (name: string) =>
  `var ${name}=(n=>typeof require<"u"?require:typeof Proxy<"u"?new Proxy(n,{get:(e,t)=>` +
  `(typeof require<"u"?require:e)[t]}):n)(function(n){if(typeof require<"u")return ` +
  `require.apply(this,arguments);throw Error('Dynamic require of "'+n+'" is not supported')});`;

Deno.test("a bundle asks for Node's own modules, whatever the name of the function for that", async () => {
  for (const name of ["lI", "$M"]) {
    const path = await Deno.makeTempFile({ suffix: ".mjs" });
    try {
      const uses = `export const byteLength=${name}("node:buffer").Buffer.byteLength("four");`;
      await Deno.writeTextFile(path, withRequire(shim(name) + uses));
      equal((await import(path)).byteLength, 4);
    } finally {
      await Deno.remove(path);
    }
  }
});

Deno.test("a bundle without such modules stays as it is", () => {
  equal(withRequire("var n=1;"), "var n=1;");
});

Deno.test("a bundle whose require is not understood is refused", () => {
  throws(() => withRequire(shim("n").replace("typeof Proxy", "typeof  Proxy")), CompileError);
});
