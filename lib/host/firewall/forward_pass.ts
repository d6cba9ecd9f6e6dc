/**
 * A packet is forwarded when every base chain on the forward hook lets it pass: what one accepts,
 * another may still drop. So where a firewall keeps a chain of its own that drops what it does not
 * know (Docker's policy in a table of iptables, firewalld, a hand-written ruleset), the tunnel's
 * packets must be let through in that very chain.
 *
 * They are recognized in a table of ours, which runs first and gives them a mark; what is put into the
 * other's chain only asks for the mark. It goes to the end, or before the rule that drops all: what
 * the operator drops stays dropped. Two reasons for the mark: iptables refuses to list a chain with
 * expressions it does not know, and of connection tracking it knows only its own; and a rule that is
 * left behind lets nothing pass once our table is gone.
 */
import { messageOf } from "../../ffi/error_text.ts";
import * as v from "valibot";
import { CommandError, MissingProgramError } from "../command/runner.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { applyOwnTable, baseChain, type OwnTable } from "./own_table.ts";

interface ForwardPassOptions {
  tun: string;
  subnet4: string;
  subnet6: string;
  clientsReachEachOther: boolean;
  /** Whether the FORWARD chains that iptables keeps in nft accept the tunnel's packets already. */
  iptables: "accept" | "as any other";
}

/** One for each server, so that none takes another one's place. */
const markTable = (tun: string): OwnTable => ["inet", `fluxify_forward_${tun}`];
/** Not one of load balancing, Docker, Kubernetes or Tailscale. */
const MARK = "0x40000000";
/** Before every firewall; connections are tracked on an earlier hook. */
const MARK_PRIORITY = -450;
/** More than any machine has; each costs two rules. */
const CHAINS_MAX = 16;

const ChainSchema = v.object({
  // Become words of a command that nft parses.
  family: v.picklist(["ip", "ip6", "inet"]),
  table: v.pipe(v.string(), v.regex(/^[A-Za-z_][\w.-]*$/)),
  name: v.pipe(v.string(), v.regex(/^[A-Za-z_][\w.-]*$/)),
  type: v.literal("filter"),
  hook: v.literal("forward"),
  policy: v.optional(v.string()),
});
type Chain = v.InferOutput<typeof ChainSchema>;

const ListingSchema = v.object({ nftables: v.array(v.record(v.string(), v.unknown())) });
const RuleSchema = v.object({
  handle: v.number(),
  expr: v.array(v.record(v.string(), v.unknown())),
});

/**
 * Lets the tunnel's packets pass the chains of others that drop what they do not know. Undone by the
 * journal. Returns notices for people about chains that could not be changed.
 */
export async function passForeignChains(
  journal: HostJournal,
  options: ForwardPassOptions,
): Promise<string[]> {
  const notices: string[] = [];
  const chains = await droppingChains(journal, options);
  if (chains.length === 0) return notices;
  const place = ({ family, table, name }: Chain) => `${family} ${table} ${name}`;
  try {
    await addMarks(journal, options);
  } catch (error) {
    return [cannotPass(chains.map(place).join(", "), options.tun, error)];
  }
  for (const chain of chains) {
    try {
      for (const side of ["iifname", "oifname"]) {
        await journal.apply({
          kind: "nft rule",
          family: chain.family,
          table: chain.table,
          chain: chain.name,
          rule: [side, options.tun, "meta", "mark", "and", MARK, "==", MARK, "accept"],
          before: await firstDropOfAll(journal, chain),
          comment: `fluxify ${options.tun} ${side}`,
        });
      }
    } catch (error) {
      notices.push(cannotPass(place(chain), options.tun, error));
    }
  }
  return notices;
}

function cannotPass(chains: string, tun: string, error: unknown): string {
  const reason = messageOf(error);
  return `the firewall may drop the clients' packets in nft chain ${chains}: let those of ${tun} ` +
    `pass in its own rules (${reason})`;
}

async function droppingChains(
  journal: HostJournal,
  { iptables }: ForwardPassOptions,
): Promise<Chain[]> {
  const chains: Chain[] = [];
  for (const { chain } of await list(journal, ["list", "chains"])) {
    const parsed = v.safeParse(ChainSchema, chain);
    if (!parsed.success) continue;
    const { family, table, name, policy } = parsed.output;
    const isIptables = family !== "inet" && table === "filter" && name === "FORWARD";
    if (isIptables && iptables === "accept") continue;
    // Nor can every rule of iptables be read, where it stands: its chain counts as one that drops.
    const drops = isIptables || policy === "drop" ||
      await firstDropOfAll(journal, parsed.output) !== null;
    if (drops && chains.length < CHAINS_MAX) chains.push(parsed.output);
  }
  return chains;
}

/** The handle of the first rule of the chain that drops or rejects without asking for anything. */
async function firstDropOfAll(
  journal: HostJournal,
  { family, table, name }: Chain,
): Promise<number | null> {
  for (const { rule } of await list(journal, ["-a", "list", "chain", family, table, name])) {
    const parsed = v.safeParse(RuleSchema, rule);
    if (!parsed.success) continue;
    const kinds = parsed.output.expr.flatMap((expression) => Object.keys(expression));
    const verdict = kinds.at(-1);
    const isUnconditional = kinds.slice(0, -1).every((kind) =>
      kind === "counter" || kind === "log"
    );
    if ((verdict === "drop" || verdict === "reject") && isUnconditional) {
      return parsed.output.handle;
    }
  }
  return null;
}

/** What nft lists; nothing where there is no nft, or none that speaks JSON. */
async function list(journal: HostJournal, words: readonly string[]) {
  try {
    const { stdout, code } = await journal.runner.run(["nft", "-j", ...words]);
    if (code !== 0) return [];
    const parsed = v.safeParse(ListingSchema, JSON.parse(stdout));
    return parsed.success ? parsed.output.nftables : [];
  } catch (error) {
    if (error instanceof CommandError || error instanceof SyntaxError) return [];
    if (error instanceof MissingProgramError) return [];
    throw error;
  }
}

async function addMarks(
  journal: HostJournal,
  { tun, subnet4, subnet6, clientsReachEachOther }: ForwardPassOptions,
): Promise<void> {
  const others = clientsReachEachOther ? "" : ` oifname != "${tun}"`;
  const set = `meta mark set meta mark or ${MARK}`;
  const rules = [["ip", subnet4], ["ip6", subnet6]].flatMap(([kind, subnet]) => [
    `iifname "${tun}"${others} ${kind} saddr ${subnet} ${set}`,
    // Answers, and what the machine itself redirects to a client: nobody else gets at them.
    `oifname "${tun}" ${kind} daddr ${subnet} ct state established,related ${set}`,
    `oifname "${tun}" ${kind} daddr ${subnet} ct status dnat ${set}`,
  ]);
  const type = `filter hook forward priority ${MARK_PRIORITY}; policy accept`;
  await applyOwnTable(journal, markTable(tun), [baseChain("mark_tunnel", type, rules)]);
}
