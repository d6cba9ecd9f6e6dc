import type { Authority } from "./authority.ts";
import { allowsUsage, type Certificate, formatDate, isIssuedBy } from "./certificate.ts";
import { PkiError } from "./pki_error.ts";
import { generateKey, keyMatches, type PrivateKey, spkiOf } from "./private_key.ts";
import {
  exists,
  type PendingFile,
  PUBLIC_FILE_MODE,
  SECRET_FILE_MODE,
  withDirectoryLock,
  writeFilesAtomically,
} from "./secure_file.ts";
import { DEFAULT_HOSTS, hostsOf, missingHosts } from "./server_host.ts";
import {
  joinPem,
  loadAuthority,
  readCertificates,
  readPrivateKey,
  type ServerTree,
} from "./server_tree.ts";

/** A certificate is issued anew when it has less than this left. */
export const RENEWAL_MS = 30 * 86_400_000;

/** The server's certificate with its key, ready for TLS. */
interface ServerIdentity {
  certPem: string;
  keyPem: string;
  /** What was done, or what the operator should do. */
  notices: string[];
}

/** What `server.pem` and `server-key.pem` are; null for a file that is not there. */
interface Present {
  chain: [Certificate, ...Certificate[]] | null;
  key: PrivateKey | null;
}

/** Why the server certificate is to be issued anew. */
interface Reason {
  /** A "poor" certificate serves on for a while; with the others TLS cannot start. */
  state: "missing" | "expired" | "not yet valid" | "poor";
  sentence: string;
}

/**
 * Reads the server's certificate and key. When the certificate is missing, has expired or expires
 * within 30 days, was issued by a clock ahead, or lacks one of `hosts`, it is issued anew from the CA
 * in the tree: for the same key and with the hosts it had before as well, so clients notice nothing.
 * Where that is not possible a certificate that still serves is kept with a notice.
 * @throws {PkiError} "expired", "not yet valid", "key mismatch", "foreign CA", "wrong usage",
 * "no CA key" and what reading and writing throw
 */
export async function ensureServerIdentity(
  tree: ServerTree,
  ca: Certificate,
  hosts: readonly string[],
  now: Date,
): Promise<ServerIdentity> {
  const present = await read(tree, ca);
  const reason = reasonToIssue(tree, present, hosts, now);
  if (reason === null) return identityOf(present, []);
  try {
    return await withDirectoryLock(tree.directory, async () => {
      const authority = await loadAuthority(tree, now);
      return await reissue(tree, ca, authority, hosts, now);
    });
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    if (reason.state === "poor") {
      return identityOf(present, [
        `${reason.sentence}, and it could not be issued anew: ${error.message}`,
      ]);
    }
    const remedy = reason.state === "not yet valid" ? "; set the clock if it is wrong" : "";
    throw new PkiError(
      reason.state === "missing" ? error.code : reason.state,
      tree.server,
      `Cannot start with this server certificate: ${reason.sentence}, and it could not be issued anew: ${error.message}${remedy}`,
      { cause: error },
    );
  }
}

/** The text of a first server certificate and key, for a tree that is being made. */
export async function issueServerFiles(
  tree: ServerTree,
  authority: Authority,
  hosts: readonly string[],
  now: Date,
): Promise<PendingFile[]> {
  const { pem, spki } = generateKey();
  const names = hosts.length === 0 ? DEFAULT_HOSTS : hosts;
  const text = await authority.issueServer(spki, names, now);
  return [
    { path: tree.serverKey, text: pem, mode: SECRET_FILE_MODE },
    { path: tree.server, text, mode: PUBLIC_FILE_MODE },
  ];
}

/** Looks again first: another process may have done it while this one waited for the lock. */
async function reissue(
  tree: ServerTree,
  ca: Certificate,
  authority: Authority,
  hosts: readonly string[],
  now: Date,
): Promise<ServerIdentity> {
  const present = await read(tree, ca);
  const reason = reasonToIssue(tree, present, hosts, now);
  if (reason === null) return identityOf(present, []);
  const before = present.chain === null ? [] : hostsOf(present.chain[0]);
  const names = [...new Set([...before, ...hosts])];
  if (present.key === null) {
    await writeFilesAtomically(await issueServerFiles(tree, authority, names, now));
  } else {
    const spki = spkiOf(present.key);
    const text = await authority.issueServer(
      spki,
      names.length === 0 ? DEFAULT_HOSTS : names,
      now,
    );
    await writeFilesAtomically([{ path: tree.server, text, mode: PUBLIC_FILE_MODE }]);
  }
  const issued = await read(tree, ca);
  return identityOf(issued, [
    `${reason.sentence}: it was issued anew from the CA, for ${
      hostsOf(issued.chain![0]).join(", ")
    }`,
  ]);
}

async function read(tree: ServerTree, ca: Certificate): Promise<Present> {
  const chain = await exists(tree.server) ? await readCertificates(tree.server) : null;
  const key = await exists(tree.serverKey) ? await readPrivateKey(tree.serverKey) : null;
  if (chain !== null) requireFit(tree, chain[0], key, ca);
  return { chain, key };
}

function requireFit(
  tree: ServerTree,
  certificate: Certificate,
  key: PrivateKey | null,
  ca: Certificate,
): void {
  const { path } = certificate;
  const remedy =
    `move ${tree.server} away and start again: it is issued anew if ${tree.caKey} is there`;
  if (!isIssuedBy(certificate, ca)) {
    throw new PkiError(
      "foreign CA",
      path,
      `Cannot use ${path}: it was not issued by the CA in ${ca.path}, so no client would accept it; ${remedy}`,
    );
  }
  if (key !== null && !keyMatches(key, certificate)) {
    throw new PkiError(
      "key mismatch",
      path,
      `Cannot use ${path}: the key in ${key.path} is not its key; restore the right key, or ${remedy}`,
    );
  }
  if (!allowsUsage(certificate, "serverAuth")) {
    throw new PkiError(
      "wrong usage",
      path,
      `Cannot use ${path}: it is not meant for servers (no serverAuth usage), so no client would accept it; ${remedy}`,
    );
  }
}

function reasonToIssue(
  tree: ServerTree,
  { chain, key }: Present,
  hosts: readonly string[],
  now: Date,
): Reason | null {
  if (chain === null || key === null) {
    const path = chain === null ? tree.server : tree.serverKey;
    return { state: "missing", sentence: `${path} is missing` };
  }
  const [certificate] = chain;
  const subject = `The server certificate ${tree.server}`;
  if (now > certificate.notAfter) {
    const sentence = `${subject} expired on ${formatDate(certificate.notAfter)}`;
    return { state: "expired", sentence };
  }
  if (now < certificate.notBefore) {
    const sentence = `${subject} is valid from ${formatDate(certificate.notBefore)} and this ` +
      `machine's clock says ${formatDate(now)}`;
    return { state: "not yet valid", sentence };
  }
  const missing = missingHosts(certificate, hosts);
  if (missing.length > 0) {
    const sentence = `${subject} does not name ${
      missing.join(", ")
    }, so clients that connect to these refuse it`;
    return { state: "poor", sentence };
  }
  if (certificate.notAfter.getTime() - now.getTime() < RENEWAL_MS) {
    const sentence = `${subject} expires on ${formatDate(certificate.notAfter)}`;
    return { state: "poor", sentence };
  }
  return null;
}

function identityOf({ chain, key }: Present, notices: string[]): ServerIdentity {
  if (chain === null || key === null) throw new Error("A server identity has both its parts");
  return { certPem: joinPem(chain), keyPem: key.pem, notices };
}
