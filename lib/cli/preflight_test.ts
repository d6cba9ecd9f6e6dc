import { equal, throws } from "node:assert/strict";
import { PreflightError } from "./exit.ts";
import { findObstacle, type Host, inspectHost, refuseObstacle } from "./preflight.ts";

const READY: Host = { os: "linux", uid: 0, tunDevice: "present" };

Deno.test("findObstacle() finds none on a ready machine", () => {
  equal(findObstacle("fluxify-client", READY), null);
  equal(findObstacle("fluxify-client", { ...READY, tunDevice: "unknown" }), null);
});

Deno.test("findObstacle() says what to do", () => {
  equal(
    findObstacle("fluxify-client", { ...READY, uid: 1000 }),
    "fluxify-client must be root to make a TUN device and routes: run with sudo",
  );
  equal(
    findObstacle("fluxify-client", { ...READY, tunDevice: "missing" }),
    "/dev/net/tun is missing: run 'modprobe tun'; a container needs " +
      "--device /dev/net/tun --cap-add NET_ADMIN",
  );
  equal(
    findObstacle("fluxify-server", { os: "darwin", uid: null, tunDevice: "missing" }),
    "fluxify-server needs Linux (TUN devices, ip, iptables), and this is darwin",
  );
});

Deno.test("refuseObstacle() throws the obstacle", () => {
  refuseObstacle("fluxify-client", READY);
  throws(() => refuseObstacle("fluxify-client", { ...READY, uid: 1 }), PreflightError);
});

Deno.test("inspectHost() reads this machine", () => {
  const host = inspectHost();
  equal(host.os, Deno.build.os);
  equal(host.uid, Deno.uid());
});
