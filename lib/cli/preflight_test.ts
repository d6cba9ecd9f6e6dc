import { equal, throws } from "node:assert/strict";
import { PreflightError } from "./exit.ts";
import { findObstacle, type Host, inspectHost, refuseObstacle } from "./preflight.ts";

const READY: Host = { os: "linux", uid: 0, tunDevice: "present" };

Deno.test("findObstacle() finds none on a ready machine", () => {
  equal(findObstacle(READY), null);
  equal(findObstacle({ ...READY, tunDevice: "unknown" }), null);
});

Deno.test("findObstacle() says what to do", () => {
  equal(
    findObstacle({ ...READY, uid: 1000 }),
    "must be root to make a TUN device and routes; run with sudo",
  );
  equal(
    findObstacle({ ...READY, uid: 1000 }, "undo it"),
    "must be root to undo it; run with sudo",
  );
  equal(
    findObstacle({ ...READY, tunDevice: "missing" }),
    "/dev/net/tun is missing; run 'modprobe tun'; a container needs " +
      "--device /dev/net/tun --cap-add NET_ADMIN",
  );
  equal(
    findObstacle({ os: "darwin", uid: null, tunDevice: "missing" }),
    "needs Linux (TUN devices, ip, iptables), and this is darwin",
  );
});

Deno.test("refuseObstacle() throws the obstacle", () => {
  refuseObstacle(READY);
  throws(() => refuseObstacle({ ...READY, uid: 1 }), PreflightError);
});

Deno.test("inspectHost() reads this machine", () => {
  const host = inspectHost();
  equal(host.os, Deno.build.os);
  equal(host.uid, Deno.uid());
});
