import { equal, ok, rejects } from "node:assert/strict";
import { Libc } from "../libc/libc.ts";
import { probeTcp } from "./tcp_probe.ts";

const loopback = (port: number, address = "127.0.0.1") => ({
  device: "lo",
  address,
  port,
  timeoutMs: 2_000,
});

Deno.test({
  name: "probeTcp() connects over an interface, in both families, and says what refuses",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const libc = Libc.open();
    for (const hostname of ["127.0.0.1", "::1"]) {
      using listener = Deno.listen({ hostname, port: 0 });
      const { port } = listener.addr as Deno.NetAddr;
      ok(await probeTcp(libc, loopback(port, hostname)) !== null, hostname);
      const connection = await listener.accept();
      equal(await connection.read(new Uint8Array(1)), null);
      connection.close();
    }
    using closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = closed.addr as Deno.NetAddr;
    closed.close();
    await rejects(probeTcp(libc, loopback(port)), /reach 127\.0\.0\.1 port/);
    await rejects(probeTcp(libc, { ...loopback(port), device: "none0" }), /use none0/);
  },
});
