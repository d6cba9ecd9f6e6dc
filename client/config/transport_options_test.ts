import { deepEqual, equal, match, ok } from "node:assert/strict";
import { parseClientOptions } from "./options.ts";

const parse = (...argv: string[]) =>
  parseClientOptions(["-b", "-server", "vpn.example.com", ...argv], "/home/mara");

function reached(...argv: string[]) {
  const parsed = parse(...argv);
  ok(parsed.command === "bond");
  const { transport, proxy } = parsed.options;
  return { transport, proxy };
}

function refusal(...argv: string[]): string {
  const parsed = parse(...argv);
  ok(parsed.command === "print", `${argv.join(" ")} was accepted`);
  equal(parsed.exitCode, 2);
  return parsed.text;
}

Deno.test("-transport and -proxy say how the server is reached", () => {
  deepEqual(reached(), { transport: "auto", proxy: null });
  deepEqual(reached("-transport", "udp"), { transport: "udp", proxy: null });
  const url = "http://10.0.0.1:3128";
  deepEqual(reached("-proxy", url), { transport: "auto", proxy: { from: "flag", url } });
  deepEqual(reached("-proxy", "env").proxy, { from: "environment" });
  deepEqual(reached("-proxy", "file:/etc/p").proxy, { from: "file", path: "/etc/p" });
});

Deno.test("what cannot be is refused, and no password is shown", () => {
  match(refusal("-transport", "tcp"), /-transport must be auto, udp or tls, not 'tcp'/);
  match(refusal("-proxy", "file:"), /needs the path of a file/);
  match(refusal("-transport", "udp", "-proxy", "env"), /-proxy carries everything inside TLS/);
  const text = refusal("-proxy", "socks5://mara:geheim@10.0.0.1:1080");
  match(text, /only HTTP with CONNECT/);
  ok(!text.includes("geheim"));
  match(
    (parseClientOptions(["-l", "-transport", "tls"], "/home/mara") as { text: string }).text,
    /-transport means nothing with -l/,
  );
});

Deno.test("config shows a proxy without its password", () => {
  const url = "http://mara:geheim@10.0.0.1:3128";
  const parsed = parseClientOptions(["-proxy", url, "config"], "/home/mara");
  ok(parsed.command === "config");
  const row = parsed.rows.find(({ key }) => key === "proxy");
  deepEqual(row, { key: "proxy", value: "http://***@10.0.0.1:3128", source: "flag" });
});
