import { deepEqual, equal, match } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6 } from "../../scripts/lab/lab.ts";
import {
  newClientCertificate,
  spawnClient,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, ending, FAR_ADDRESSES, pingAll, SERVER_INNER } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 20_000;
const FAR = [INTERNET_ADDRESS, INTERNET_ADDRESS6];

topic("e2e two clients on one machine", async (scenario) => {
  await using lab = await createSmallLab();
  const [laptop, phone] = [
    await newClientCertificate(lab, "laptop"),
    await newClientCertificate(lab, "phone"),
  ];
  const server = await startServer(lab);
  const before = await hostState(lab.client);
  const deviceTo = async (address: string) =>
    / dev (\S+)/.exec((await lab.client.run("ip", "route", "get", address)).stdout)?.[1];

  for (const engine of ["native", "portable"]) {
    await scenario(`-tun: the second one stands behind the first (${engine})`, async () => {
      const first = await startClient(lab, laptop, { args: ["-engine", engine] });
      const second = await startClient(lab, phone, {
        args: ["-engine", engine, "-tun", "fluxify2"],
      });
      match(second.output("stderr"), /the client of fluxify has this machine's traffic/);
      for (const address of FAR) equal(await deviceTo(address), "fluxify");
      await pingAll(lab.client, FAR_ADDRESSES);
      await lab.client.run("ping", "-c1", "-i0.2", "-w10", "-I", "fluxify2", SERVER_INNER);
      await lab.client.run("ping", "-c1", "-i0.2", "-w10", "-I", "fluxify2", INTERNET_ADDRESS);

      equal(await first.stop("SIGINT"), 0);
      for (const address of FAR) equal(await deviceTo(address), "fluxify2");
      await pingAll(lab.client, FAR_ADDRESSES);
      equal(await second.stop("SIGINT"), 0);
      deepEqual(await hostState(lab.client), before);
    });
  }

  await scenario("the second one ends first, and the first goes on", async () => {
    const first = await startClient(lab, laptop);
    const second = await startClient(lab, phone, { args: ["-tun", "fluxify2"] });
    equal(await second.stop("SIGINT"), 0);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await first.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("a kill switch beside another client is refused", async () => {
    const first = await startClient(lab, laptop);
    const { exitCode, text } = await ending(
      spawnClient(lab, phone, { args: ["-tun", "fluxify2", "-kill-switch"] }),
    );
    equal(exitCode, 1);
    match(text, /Cannot switch on the kill switch beside fluxify-client \(process \d+\)/);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await first.stop("SIGINT", STATE_TIMEOUT_MS), 0);
    deepEqual(await hostState(lab.client), before);
  });
  equal(await server.stop("SIGINT"), 0);
});
