import { deepEqual, match } from "node:assert/strict";
import { parseServerOptions } from "../options.ts";
import { refusedText } from "../../testing/command_line.ts";

const SHARED = { command: "client", pkiFolder: null, format: "text" };

const refusal = (...argv: string[]) => refusedText(parseServerOptions(argv), argv);

Deno.test("client commands say what is prescribed for whom", () => {
  const all = "client set laptop -rate 50/10mbit -quota 100GB/month -expires 2027-01-31 " +
    "-reach 10.1.2.3/16,fd00:1::/64 -address 10.8.0.77 -routes 192.168.7.0/24,FD12::/48";
  deepEqual(parseServerOptions(all.split(" ")), {
    ...SHARED,
    action: "set",
    name: "laptop",
    settings: {
      rate: { down: 6_250_000, up: 1_250_000 },
      quotaBytes: 1e11,
      expires: "2027-01-31",
      reach: ["10.1.0.0/16", "fd00:1::/64"],
      address: "10.8.0.77",
      routes: ["192.168.7.0/24", "fd12::/48"],
    },
  });
  deepEqual(parseServerOptions(["client", "set", "laptop", "--rate", "2mbit", "--json"]), {
    ...SHARED,
    ...{ action: "set", name: "laptop", format: "json" },
    settings: { rate: { down: 250_000, up: 250_000 } },
  });
  deepEqual(parseServerOptions(["-pki", "/tree", "client", "unset", "laptop", "rate", "quota"]), {
    ...{ ...SHARED, pkiFolder: "/tree" },
    ...{ action: "unset", name: "laptop", which: ["rate", "quota"] },
  });
  deepEqual(parseServerOptions(["client", "unset", "laptop"]), {
    ...SHARED,
    ...{ action: "unset", name: "laptop" },
    which: ["rate", "quota", "expires", "reach", "address", "routes"],
  });
  deepEqual(parseServerOptions(["client", "show", "laptop"]), {
    ...SHARED,
    ...{ action: "show", name: "laptop" },
  });
  deepEqual(parseServerOptions(["client", "list"]), { ...SHARED, action: "list" });
});

Deno.test("what cannot be prescribed is refused in words", () => {
  const set = (...flags: string[]) => refusal("client", "set", "laptop", ...flags);
  match(set(), /needs one of -rate, -quota, -expires, -reach, -address, -routes/);
  match(set("-rate", "fast"), /-rate must be as in 50mbit\/10mbit \(down\/up\)/);
  match(set("-rate", "1kbit"), /-rate must be 100kbit to 100gbit/);
  match(set("-quota", "lots"), /-quota must be as in 20GB\/month/);
  match(set("-quota", "1MB/week"), /-quota must be as in 20GB\/month/);
  match(set("-expires", "2027-02-29"), /-expires must be a day as in 2027-01-31/);
  match(set("-reach", ""), /-reach needs a prefix/);
  match(set("-reach", "10.1.0.0/33"), /-reach must be addresses or prefixes/);
  match(set("-reach", "example.com"), /-reach must be addresses or prefixes/);
  match(set("-address", "fd00:8::77"), /-address must be an IPv4 address/);
  match(set("-routes", "0.0.0.0/0"), /-routes cannot be 0\.0\.0\.0\/0/);
  match(set("-routes", "10.0.0.0/8,10.1.0.0/16"), /-routes has prefixes that overlap/);
  for (const prefix of ["224.0.0.0/4", "169.254.169.254/32", "255.255.255.255/32", "ff00::/8"]) {
    match(set("-routes", `192.168.7.0/24,${prefix}`), /-routes cannot have .*: addresses of .* no/);
  }
  const many = Array.from({ length: 17 }, (_, net) => `10.${net}.0.0/16`).join(",");
  match(set("-routes", many), /-routes takes 16 prefixes, not 17/);
  match(refusal("client", "unset", "laptop", "colour"), /there is no setting 'colour'; there are/);
  match(refusal("client", "set", "../x", "-rate", "1mbit"), /Cannot look for a client named/);
  match(refusal("-port", "9000", "client", "list"), /-port means nothing before 'client list'/);
  match(refusal("client", "erase", "laptop"), /erase/);
});
