import { deepEqual, equal, match, ok } from "node:assert/strict";
import { parseServerOptions } from "../options.ts";
import { refusedText } from "../../testing/command_line.ts";

const refusal = (...argv: string[]) => refusedText(parseServerOptions(["forward", ...argv]), argv);

Deno.test("forward: what to send where, and what goes there no more", () => {
  const shared = { command: "forward", pkiFolder: null, format: "text" };
  deepEqual(parseServerOptions(["forward", "add", "TCP", "8080", "my:nas:80"]), {
    ...shared,
    action: "add",
    forward: { protocol: "tcp", port: 8080, client: "my:nas", clientPort: 80, from: null },
    mayTakeLocalPort: false,
  });
  const given = ["-from", "2001:DB8::7/32", "-take-local-port", "-json", "-pki", "p"];
  deepEqual(parseServerOptions(["forward", "add", "udp", "53", "nas:5353", ...given]), {
    ...shared,
    ...{ format: "json", pkiFolder: "p", action: "add", mayTakeLocalPort: true },
    forward: {
      ...{ protocol: "udp", port: 53, client: "nas", clientPort: 5353 },
      from: "2001:db8::/32",
    },
  });
  deepEqual(parseServerOptions(["-pki", "p", "forward", "remove", "tcp", "8080"]), {
    ...shared,
    ...{ pkiFolder: "p", action: "remove", forward: { protocol: "tcp", port: 8080 } },
  });
  deepEqual(parseServerOptions(["forward", "list"]), { ...shared, action: "list" });
});

Deno.test("forward: what makes no sense is refused with what would", () => {
  const cases: [argv: string[], expected: RegExp][] = [
    [["add", "sctp", "1", "a:1"], /the protocol must be tcp or udp, not 'sctp'/],
    [["add", "tcp", "0", "a:1"], /the port must be 1 to 65535, not '0'/],
    [["add", "tcp", "65536", "a:1"], /the port must be 1 to 65535/],
    [["add", "tcp", "80-90", "a:1"], /the port must be 1 to 65535/],
    [["add", "tcp", "80", "a"], /give the client's name and its port, .* as in laptop:80, not 'a'/],
    [["add", "tcp", "80", "a:0"], /give the client's name and its port/],
    [["add", "tcp", "80", "../a:1"], /Cannot look for a client named/],
    [
      ["add", "tcp", "80", "a:1", "-from", "home"],
      /-from must be an address or a prefix, .*'home'/,
    ],
    [["add", "tcp", "80"], /missing/],
  ];
  for (const [argv, expected] of cases) match(refusal(...argv), expected);
  const parsed = parseServerOptions(["-port", "1", "forward", "list"]);
  ok(parsed.command === "print");
  equal(parsed.text, "fluxify-server: -port means nothing before 'forward list'\n");
});
