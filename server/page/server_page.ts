/** The page of a server: what it shows, and what it may do. docs/page.md. */
import { getLogger } from "@logtape/logtape";
import { basename } from "node:path";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { PageOptions } from "../../lib/cli/page_options.ts";
import type { Reading } from "../../lib/page/history/history_store.ts";
import type { Ask, PageProgram } from "../../lib/page/page_program.ts";
import { type Page, startPage } from "../../lib/page/start_page.ts";
import { requireNewClientName, requireStoredClientName } from "../../lib/pki/client_name.ts";
import { type Arguments, Refusal } from "../../lib/status/local_socket/message.ts";
import { textOf } from "../../lib/status/local_socket/program_socket.ts";
import type { SessionStatus } from "../../lib/status/server_status.ts";
import {
  type CommandOutcome,
  listCertificates,
  newCertificate,
  renewCertificate,
  revokeCertificate,
} from "../certificates/certificate_command.ts";
import {
  SERVER_SOCKETS,
  type ServerAnswer,
  type SessionsAnswer,
} from "../local_socket/server_socket.ts";

const log = getLogger([LOG_CATEGORY, "page"]);
const LIVE_EVERY_MS = 1000;
/** Answers of 250 sessions: more than a page should list. */
const ANSWERS_MAX = 8;

interface ServerPageOptions {
  readonly page: PageOptions;
  readonly instance: string;
  readonly pkiFolder: string;
  readonly controlPort: number;
}

/** @throws Error that says why there is no page. */
export function openServerPage(options: ServerPageOptions): Promise<Page> {
  const { page, instance, pkiFolder: directory, controlPort } = options;
  const own = () => ({
    ...{ directory, folders: [directory], controlPort },
    ...{ format: "json" as const, now: new Date() },
  });
  const named = (args: Arguments, check: (name: string) => void) => {
    const name = textOf(args, "name");
    check(name);
    return { ...own(), name };
  };
  return startPage({
    sockets: SERVER_SOCKETS,
    instance,
    page,
    looks: ["status", "sessions", "logs"],
    changes: ["kick"],
    own: {
      clients: async () => resultOf(await listCertificates(own())),
      issue: async (args) => {
        const asked = named(args, requireNewClientName);
        const make = args.renew === true ? renewCertificate : newCertificate;
        const issued = resultOf(await make(asked)) as { name: string; bundlePath: string };
        log.info("a certificate for {name} is made, as the page was asked to", {
          name: issued.name,
        });
        const { name, bundlePath } = issued;
        const bundle = await Deno.readTextFile(bundlePath);
        return { name, fileName: basename(bundlePath), bundle };
      },
      revoke: async (args) => {
        const asked = named(args, requireStoredClientName);
        const revoked = resultOf(await revokeCertificate(asked));
        log.info("the certificate of {name} is revoked, as the page was asked to", {
          name: asked.name,
        });
        return revoked;
      },
    },
    warn: (line) => log.warn("{line}", { line }),
  });
}

/** @throws Refusal with what the command says. */
function resultOf({ exitCode, lines, errorLines }: CommandOutcome): unknown {
  if (exitCode !== 0) throw new Refusal("not possible", errorLines.join("; "));
  return JSON.parse(lines.join("\n"));
}

/** For the process of the page. */
export const SERVER_PAGE: PageProgram = {
  liveEveryMs: LIVE_EVERY_MS,
  read: async (ask) => ({
    status: await ask("status") as ServerAnswer,
    sessions: await allSessions(ask),
  }),
  readings: (live) => {
    const { status, sessions } = live as { status: ServerAnswer; sessions: SessionStatus[] };
    return sessions.map((one) => readingOf(one, status.startedAt));
  },
};

async function allSessions(ask: Ask): Promise<SessionStatus[]> {
  const all: SessionStatus[] = [];
  for (let answers = 0; answers < ANSWERS_MAX; answers++) {
    const after = all.at(-1)?.name;
    const { sessions, isMore } = await ask(
      "sessions",
      after === undefined ? {} : { after },
    ) as SessionsAnswer;
    all.push(...sessions);
    if (!isMore) break;
  }
  return all;
}

/** Counters begin with each session. */
function readingOf(
  { name, receivedBytes, sentBytes, session }: SessionStatus,
  startedAt: string,
): Reading {
  const paths = session?.paths ?? [];
  const rtts = paths.flatMap(({ rttMs }) => rttMs === null ? [] : [rttMs]);
  return {
    ...{ name, receivedBytes, sentBytes },
    run: `${startedAt} ${session?.id ?? 0}`,
    rttMs: rtts.length === 0 ? null : Math.min(...rtts),
    loss: null,
    isUp: paths.some(({ state }) => state === "up"),
  };
}
