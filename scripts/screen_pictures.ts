/**
 * Makes the pictures of the screens in docs/pictures from a real run: both programs in a small
 * internet of network namespaces, on terminals of tmux. Needs root and tmux.
 */
import { join, resolve } from "node:path";
import { Tmux } from "../testing/tmux.ts";
import { Lab, SERVER_ADDRESS } from "./lab/lab.ts";
import { environment, newClientCertificate, startServer } from "./lab/programs.ts";
import { terminalSvg } from "./pictures/terminal_svg.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const PICTURES = join(ROOT, "docs/pictures");
const COLUMNS = 100;
const ROWS = 24;
const LINKS = [
  { name: "fiber", rateMbit: 0, rttMs: 0 },
  { name: "dsl", rateMbit: 0, rttMs: 0 },
  { name: "mobile", rateMbit: 0, rttMs: 0 },
];
/** For rates and charts to have something to show. */
const TRAFFIC_SECONDS = 20;

async function save(name: string, terminal: Tmux): Promise<void> {
  await Deno.writeTextFile(
    join(PICTURES, `${name}.svg`),
    terminalSvg(await terminal.painted(), COLUMNS),
  );
  console.log(`docs/pictures/${name}.svg`);
}

const program = (name: string) => [
  ...[Deno.execPath(), "run", "-A", "--config", join(ROOT, "deno.json")],
  join(ROOT, name, "main.ts"),
];
const denoDir = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;

await Deno.mkdir(PICTURES, { recursive: true });
await using lab = await Lab.create({ links: LINKS, shaping: "none" });
const bundle = await newClientCertificate(lab, "laptop");
await newClientCertificate(lab, "phone");
await startServer(lab);
const home = join(lab.directory, "home");
await Deno.mkdir(join(home, ".fluxify"), { recursive: true });
await Deno.copyFile(bundle, join(home, ".fluxify", "laptop.bundle"));
const size = { columns: COLUMNS, rows: ROWS };

await using client = await Tmux.run(program("client"), {
  ...size,
  within: ["ip", "netns", "exec", lab.client.name],
  env: { ...environment(lab, "client").env, HOME: home, SUDO_USER: "", DENO_DIR: denoDir },
});
await client.waitFor(/Certificate +laptop[^]*mobile/);
await client.type(SERVER_ADDRESS);
for (const { name } of LINKS) await client.click(`[ ] ${name}`);
await client.waitFor(/3 selected[^]*ready/);
await save("client-form", client);
await client.press("F5");
await client.waitFor(/fiber +up[^]*dsl +up[^]*mobile +up/);
const traffic = lab.client.spawn(
  ["ping", "-q", "-i", "0.002", "-s", "1200", "-w", String(TRAFFIC_SECONDS), "10.8.0.1"],
);
await traffic.ended;
await client.waitFor(/down +[\d.]+ [kM]bit/);
await save("client-running", client);
await client.press("q", "y");
await client.waitFor(/not running/);
await client.press("q", "y");
await client.waitFor(/exit 0/);

await using server = await Tmux.run([...program("server"), "-tui"], {
  ...size,
  // Its certificates are in ./pki.
  within: ["env", "-C", lab.directory],
});
await server.waitFor(/laptop[^]*phone[^]*for .*203/);
await save("server-certificates", server);
await server.press("q", "y");
await server.waitFor(/exit 0/);
