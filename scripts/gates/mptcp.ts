/** Kernel MPTCP over the raw links of the lab: what the tunnel is measured beside. */
import type { Lab } from "../lab/lab.ts";

const TABLE = 7100;

/** Lets the client open a subflow over each link, and routes each by its address. */
export async function allowSubflows(lab: Lab): Promise<void> {
  const { client, server, links } = lab;
  for (const machine of [client, server]) {
    await machine.run("ip", "mptcp", "limits", "set", "subflow", "8", "add_addr_accepted", "8");
  }
  for (const [index, { name }] of links.entries()) {
    const address = lab.clientAddress(name);
    const table = String(TABLE + index);
    const gateway = address.replace(/2$/, "1");
    await client.run("ip", "rule", "add", "from", address, "lookup", table);
    await client.run("ip", "route", "add", "default", "via", gateway, "dev", name, "table", table);
    await client.run("ip", "mptcp", "endpoint", "add", address, "dev", name, "subflow");
  }
}
