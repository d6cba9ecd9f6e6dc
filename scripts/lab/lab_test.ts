import { equal, match, ok, rejects } from "node:assert/strict";
import { needsRoot } from "../../tests/netns/namespace.ts";
import {
  INTERNET_ADDRESS,
  INTERNET_ADDRESS6,
  Lab,
  SERVER_ADDRESS,
  SERVER_ADDRESS6,
} from "./lab.ts";

Deno.test({
  name: "netns: the lab's links lead to the server, and only its address leads on",
  ...needsRoot(),
  async fn() {
    await using lab = await Lab.create();
    const { client, server, internet } = lab;
    for (const { name, rttMs } of lab.links) {
      for (const address of [SERVER_ADDRESS, SERVER_ADDRESS6]) {
        // A busy machine makes a link slower than it is: one of a few looks has to see its delay.
        let fastestMs = Infinity;
        for (let look = 0; look < 5 && fastestMs >= rttMs * 1.05 + 1; look++) {
          const { stdout } = await client.run("ping", "-c5", "-i0.05", "-q", "-I", name, address);
          fastestMs = Number(/= ([\d.]+)\//.exec(stdout)?.[1]);
          ok(fastestMs >= rttMs, `${name}: ${stdout}`);
        }
        ok(fastestMs < rttMs * 1.05 + 1, `${name}: ${fastestMs} ms instead of ${rttMs}`);
      }
    }
    for (const address of [INTERNET_ADDRESS, INTERNET_ADDRESS6]) {
      await server.run("ping", "-c1", "-W5", address);
      await rejects(client.run("ping", "-c2", "-i0.2", "-W1", address), /100% packet loss/);
    }
    await rejects(internet.run("ping", "-c1", "-W1", "10.71.1.2"), /unreachable/);
    match((await client.run("ip", "route", "get", SERVER_ADDRESS)).stdout, /dev fiber/);
    equal(lab.clientAddress("dsl"), "10.71.2.2");
  },
});

Deno.test({
  name: "netns: the lab's router drops what comes from a link with another link's address",
  ...needsRoot(),
  async fn() {
    await using lab = await Lab.create({ shaping: "none" });
    const { client } = lab;
    for (
      const [own, address, server] of [
        ["10.71.2.2", "10.71.1.2", SERVER_ADDRESS],
        ["fd71:2::2", "fd71:1::2", SERVER_ADDRESS6],
      ] as const
    ) {
      const gateway = own.replace(/2$/, "1");
      await client.run("ip", "route", "add", server, "via", gateway, "dev", "dsl");
      await client.run("ping", "-c1", "-W5", "-I", own, server);
      await rejects(client.run("ping", "-c1", "-W1", "-I", address, server), /100% packet loss/);
    }
  },
});

Deno.test({
  name: "netns: a cut link of the lab is silent until it is restored; its directory goes with it",
  ...needsRoot(),
  async fn() {
    let directory: string;
    {
      await using lab = await Lab.create({ links: [{ name: "wan1", rateMbit: 100, rttMs: 2 }] });
      directory = lab.directory;
      await Deno.writeTextFile(`${directory}/key`, "secret");
      const ping = () => lab.client.run("ping", "-c1", "-W1", SERVER_ADDRESS);
      await lab.cut("wan1");
      await rejects(ping(), /100% packet loss/);
      await lab.restore("wan1");
      await ping();
      await rejects(lab.cut("wan2"), /no link "wan2"/);
    }
    await rejects(Deno.stat(directory), Deno.errors.NotFound);
  },
});

Deno.test("a lab without links is refused", async () => {
  await rejects(Lab.create({ links: [] }), RangeError);
});
