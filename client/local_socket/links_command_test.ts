import { deepEqual, equal, rejects } from "node:assert/strict";
import { LinkSelection } from "../bonding/link_selection.ts";
import { UplinkSelection } from "../balance/uplink_selection.ts";
import { linksCommand, type RunningLinks } from "./links_command.ts";
import { Refusal } from "../../lib/status/local_socket/message.ts";

function bonding(): RunningLinks {
  const choices = ["a", "b"].map((interfaceName) => ({ interfaceName, sourceAddress: null }));
  const selection = new LinkSelection(choices, "fluxify");
  return {
    get links() {
      return selection.links.map(({ name }) => name);
    },
    useLinks: (names) => selection.choose(names),
  };
}

function balancing(): RunningLinks {
  const selection = new UplinkSelection(["a", "b"]);
  return {
    get links() {
      return selection.names;
    },
    useLinks: (names) => void selection.choose(names),
  };
}

for (const [mode, running] of [["bonding", bonding()], ["balancing", balancing()]] as const) {
  const present = { isPresent: true };
  const command = linksCommand(() => running, () => Promise.resolve(["a", "b", "c"]));
  const ask = async (action: unknown, link: unknown) =>
    await command({ action, link }, "user 0, process 1");

  Deno.test(`links are added and removed one at a time while ${mode}`, async () => {
    deepEqual(await ask("add", "c"), { links: ["a", "b", "c"], ...present });
    deepEqual(await ask("remove", "a"), { links: ["b", "c"], ...present });
    deepEqual(await ask("add", "a"), {
      links: mode === "bonding" ? ["b", "c", "a"] : ["a", "b", "c"],
      ...present,
    });
    const links = mode === "bonding" ? ["b", "a"] : ["a", "b"];
    deepEqual(await ask("remove", "c"), { links, ...present });
    deepEqual(await ask("add", "wan9"), { links: [...links, "wan9"], isPresent: false });
    const blind = linksCommand(() => running, () => Promise.reject(new Error("no ip")));
    const answer = await blind({ action: "remove", link: "wan9" }, "user 0, process 1");
    deepEqual(answer, { links, isPresent: null });
  });

  Deno.test(`what cannot be a link while ${mode}, or is needed, is refused with the reason`, async () => {
    const before = [...running.links];
    const refused = (action: unknown, link: unknown, code: string, text: RegExp) =>
      rejects(ask(action, link), (error) => {
        equal(error instanceof Refusal && error.code, code, String(error));
        return text.test((error as Error).message);
      });
    await refused("move", "a", "bad argument", /add, remove/);
    await refused("add", 5, "bad argument", /must be a text/);
    await refused("add", "x".repeat(65), "bad argument", /no name/);
    await refused("add", "a", "not possible", /^a is a link already$/);
    await refused("add", "../x", "not possible", /cannot be the name of an interface/);
    await refused("add", "lo", "not possible", /^lo is no link/);
    await refused("remove", "x", "not possible", /^x is no link; there are: (a, b|b, a)$/);
    await refused("remove", "a", "not possible", /two links at least: add another one before/);
    deepEqual(running.links, before);
  });
}
