import { deepEqual, equal, match, throws } from "node:assert/strict";
import { UplinkSelection } from "./uplink_selection.ts";

const leading = (...names: string[]) => ({ leadingOut: new Set(names) });

Deno.test("UplinkSelection keeps to the names the user gave", () => {
  const selection = new UplinkSelection(["wan2", "wan1"]);
  deepEqual(selection.follow(leading("wan1", "wan3")), { joined: [], warnings: [] });
  deepEqual(selection.names, ["wan2", "wan1"]);
  deepEqual(["wan2", "wan1"].map((name) => selection.slotOf(name)), [1, 2]);
});

Deno.test("UplinkSelection without names takes what begins to lead out, and keeps its slot", () => {
  const selection = new UplinkSelection([]);
  deepEqual(selection.follow(leading("wan1")).joined, ["wan1"]);
  deepEqual(selection.follow(leading("usb0")).joined, ["usb0"]);
  deepEqual(selection.follow(leading("wan1", "usb0")).joined, []);
  deepEqual(selection.names, ["wan1", "usb0"]);
  equal(selection.slotOf("usb0"), 2);
});

Deno.test("UplinkSelection takes as many as marks tell apart, and says once what is left out", () => {
  const selection = new UplinkSelection([]);
  const names = Array.from({ length: 63 }, (_, index) => `usb${index}`);
  equal(selection.follow(leading(...names)).joined.length, 63);
  const { joined, warnings } = selection.follow(leading("usb99"));
  deepEqual(joined, []);
  match(warnings.join(), /^usb99 is left out: -l takes at most 63 uplinks.*-ifaces/);
  deepEqual(selection.follow(leading("usb99")).warnings, []);
});

Deno.test("UplinkSelection takes other uplinks while it runs, and each keeps its slot", () => {
  const selection = new UplinkSelection(["wan1", "wan2"]);
  deepEqual(selection.choose(["usb0", "wan2"]), ["usb0"]);
  deepEqual(selection.names, ["wan2", "usb0"]);
  deepEqual([...selection.resting], ["wan1"]);
  deepEqual(["wan1", "wan2", "usb0"].map((name) => selection.slotOf(name)), [1, 2, 3]);
  deepEqual(selection.choose(["wan1", "usb0"]), []);
  deepEqual(selection.names, ["wan1", "usb0"]);
  throws(() => selection.choose(["wan1"]), /two links at least/);
  throws(() => selection.choose(Array.from({ length: 62 }, (_, at) => `x${at}`)), /start it again/);
  deepEqual(selection.names, ["wan1", "usb0"]);

  const automatic = new UplinkSelection([]);
  automatic.follow(leading("wan1", "wan2", "wan3"));
  automatic.choose(["wan1", "wan2"]);
  deepEqual(automatic.follow(leading("wan4")), { joined: [], warnings: [] });
  deepEqual(automatic.names, ["wan1", "wan2"]);
});
