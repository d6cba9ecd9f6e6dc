/**
 * The certificates of a Fluxify server and of its clients: one CA, one server certificate, one
 * certificate per client, and the list of the revoked ones, in a directory of PEM files that
 * OpenSSL and other implementations of Fluxify read as well. This folder promises that a file is
 * written completely or not at all, that keys are readable by their owner only, that every
 * certificate it hands out verifies, and that each refusal is a {@link PkiError} which names the
 * file, what is wrong with it and how to mend it. Time is an argument throughout.
 *
 * Start here for the server; the client needs `client_credentials.ts` alone.
 */
import { basename, join } from "node:path";
import { Authority } from "./authority.ts";
import { formatDate, requireCurrent } from "./certificate.ts";
import {
  type ClientDetails,
  ClientRegistry,
  type ClientSummary,
  type IssuedClient,
  type RevokedClient,
} from "./client_registry.ts";
import { PkiError } from "./pki_error.ts";
import { encodeRevocations } from "./revocation_file.ts";
import type { RevocationList } from "./revocation_list.ts";
import {
  exists,
  looseModeNotice,
  looseWriteNotice,
  makeSecretDirectory,
  moveIfPresent,
  PUBLIC_FILE_MODE,
  refuseForeignLink,
  SECRET_FILE_MODE,
  withDirectoryLock,
  writeFilesAtomically,
} from "./secure_file.ts";
import { ensureServerIdentity, issueServerFiles } from "./server_certificate.ts";
import { DEFAULT_HOSTS, requireHosts } from "./server_host.ts";
import { joinPem, openRevocations, readCa, type ServerTree, serverTree } from "./server_tree.ts";

const CA_WARNING_MS = 90 * 86_400_000;
const BACKUPS_PER_SECOND_MAX = 100;

interface ServerPkiOptions {
  /**
   * IP addresses and DNS names that clients connect to. Empty: whatever the certificate names, and
   * {@link DEFAULT_HOSTS} in a new one.
   */
  hosts: string[];
  /** Replaces the whole tree by a new CA; the old one is kept in `backup-TIME/` in the directory. */
  regenerate: boolean;
  now: Date;
}

/** What a server needs for mutual TLS, and the administration of its clients. */
export interface ServerPki {
  readonly directory: string;
  readonly caPem: string;
  readonly certPem: string;
  /** PKCS#8, PKCS#1 or SEC 1, as the file has it. */
  readonly keyPem: string;
  /** Whether the CA was made by this call. */
  readonly created: boolean;
  /** Sentences for the operator: what was done, what is worth mending. */
  readonly notices: string[];
  readonly revocations: RevocationList;
  issueClient(name: string, now: Date): Promise<IssuedClient>;
  listClients(now: Date): Promise<ClientSummary[]>;
  showClient(name: string, now: Date): Promise<ClientDetails>;
  revokeClient(name: string, now: Date): Promise<RevokedClient>;
}

/**
 * Opens the tree in `directory`, which is made when there is none. An existing tree is used as it
 * is, whoever wrote it; its server certificate alone is renewed, see {@link ensureServerIdentity}.
 * @throws {PkiError} for each thing that is wrong with a file
 */
export async function openServerPki(
  directory: string,
  options: ServerPkiOptions,
): Promise<ServerPki> {
  const { now } = options;
  const hosts = requireHosts(options.hosts);
  const tree = serverTree(directory);
  const notices: string[] = [];
  const created = options.regenerate || !await exists(tree.ca)
    ? await create(tree, { ...options, hosts }, notices)
    : false;

  const authorities = await readCa(tree.ca);
  const [ca] = authorities;
  requireCurrent(
    ca,
    now,
    `"fluxify-server -regen" makes a new CA, and every client needs a new bundle`,
  );
  if (ca.notAfter.getTime() - now.getTime() < CA_WARNING_MS) {
    notices.push(
      `The CA in ${tree.ca} expires on ${
        formatDate(ca.notAfter)
      }, and with it every certificate: plan "fluxify-server -regen" and new bundles for the clients`,
    );
  }
  const identity = await ensureServerIdentity(tree, ca, hosts, now);
  notices.push(...identity.notices);
  for (const key of [tree.caKey, tree.serverKey]) {
    const notice = await exists(key) ? await looseModeNotice(key) : null;
    if (notice !== null) notices.push(notice);
  }
  for (const path of [tree.directory, tree.ca, tree.revoked]) {
    const notice = await exists(path) ? await looseWriteNotice(path) : null;
    if (notice !== null) notices.push(notice);
  }
  const registry = new ClientRegistry(tree, ca, await openRevocations(tree));
  return {
    directory,
    caPem: joinPem(authorities),
    certPem: identity.certPem,
    keyPem: identity.keyPem,
    created,
    notices,
    revocations: registry.revocations,
    issueClient: (name, time) => registry.issue(name, time),
    listClients: (time) => registry.list(time),
    showClient: (name, time) => registry.show(name, time),
    revokeClient: (name, time) => registry.revoke(name, time),
  };
}

/** Without a battery a clock starts in 1970: what is made then has expired when it is set. */
const CLOCK_MIN = new Date("2025-01-01T00:00:00Z");

/** Returns false when another process made the tree first. */
async function create(
  tree: ServerTree,
  { hosts, regenerate, now }: ServerPkiOptions,
  notices: string[],
): Promise<boolean> {
  if (now < CLOCK_MIN) {
    throw new PkiError(
      "wrong clock",
      tree.ca,
      `Cannot make the CA ${tree.ca}: this machine's clock says ${formatDate(now)}; set the clock`,
    );
  }
  await makeSecretDirectory(tree.directory);
  return await withDirectoryLock(tree.directory, async () => {
    if (!regenerate) {
      if (await exists(tree.ca)) return false;
      await requireEmpty(tree);
    }
    const { authority, keyPem } = await Authority.create(tree.ca, now);
    const files = [
      { path: tree.caKey, text: keyPem, mode: SECRET_FILE_MODE },
      ...await issueServerFiles(tree, authority, hosts, now),
      { path: tree.revoked, text: encodeRevocations([]), mode: PUBLIC_FILE_MODE },
      { path: tree.crl, text: await authority.issueCrl([], now), mode: PUBLIC_FILE_MODE },
      // Last: its presence tells that the tree is complete.
      { path: tree.ca, text: authority.certPem, mode: PUBLIC_FILE_MODE },
    ] as const;
    await writeFilesAtomically(files, async () => {
      const backup = regenerate ? await moveToBackup(tree, now) : null;
      if (backup === null) return;
      notices.push(
        `The old certificates were moved to ${backup}; every client needs a new bundle: "fluxify-server cert new NAME"`,
      );
    });
    await refuseForeignLink(tree.clients);
    await makeSecretDirectory(tree.clients);
    const names = (hosts.length === 0 ? DEFAULT_HOSTS : hosts).join(", ");
    notices.push(`A new CA and a server certificate for ${names} were made in ${tree.directory}`);
    if (hosts.length === 0) {
      notices.push(
        "Only clients on this machine can connect so far: start the server with -hosts and the " +
          "names that clients use, which are added to its certificate",
      );
    }
    return true;
  });
}

/** A part of a tree is never completed: its other part may be what was lost. */
async function requireEmpty(tree: ServerTree): Promise<void> {
  for (const path of [tree.caKey, tree.server, tree.serverKey, tree.revoked]) {
    if (!await exists(path)) continue;
    throw new PkiError(
      "incomplete tree",
      tree.ca,
      `Cannot use ${tree.directory}: ${path} is there but ${tree.ca} is missing; restore it, or "fluxify-server -regen" makes a new CA and keeps the old files`,
    );
  }
}

/** Moves what there is of the tree to a new directory in it. Returns null when there is nothing. */
async function moveToBackup(tree: ServerTree, now: Date): Promise<string | null> {
  // ca.pem first: a tree without it counts as incomplete, should the machine stop half-way.
  const parts = [
    tree.ca,
    tree.caKey,
    tree.server,
    tree.serverKey,
    tree.clients,
    tree.revoked,
    tree.crl,
  ];
  const present: string[] = [];
  for (const path of parts) if (await exists(path)) present.push(path);
  if (present.length === 0) return null;
  const backup = await backupDirectory(tree, now);
  for (const path of present) {
    await moveIfPresent(path, join(backup, basename(path)));
  }
  return backup;
}

async function backupDirectory(tree: ServerTree, now: Date): Promise<string> {
  const stamp = now.toISOString().replace(/\.\d+/, "").replaceAll(/[-:]/g, "");
  for (let attempt = 1; attempt <= BACKUPS_PER_SECOND_MAX; attempt++) {
    const path = join(tree.directory, `backup-${stamp}${attempt === 1 ? "" : `-${attempt}`}`);
    if (await exists(path)) continue;
    await makeSecretDirectory(path);
    return path;
  }
  throw new PkiError(
    "write failed",
    tree.directory,
    `Cannot keep the old certificates: ${tree.directory} holds ${BACKUPS_PER_SECOND_MAX} backups of this second; move some away`,
  );
}
