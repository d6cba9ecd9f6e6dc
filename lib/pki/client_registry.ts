import { resolve } from "node:path";
import { type Certificate, isIssuedBy } from "./certificate.ts";
import {
  createdAt,
  filesOfClient,
  readClientFiles,
  stampedCopies,
  stampedPath,
} from "./client_files.ts";
import { requireNewClientName, requireStoredClientName } from "./client_name.ts";
import { PkiError } from "./pki_error.ts";
import { generateKey } from "./private_key.ts";
import {
  addRevocation,
  COMMON_NAME_LENGTH_MAX,
  encodeRevocations,
  type Revocation,
} from "./revocation_file.ts";
import type { RevocationList } from "./revocation_list.ts";
import {
  exists,
  makeSecretDirectory,
  type PendingFile,
  PUBLIC_FILE_MODE,
  refuseForeignLink,
  removeFile,
  SECRET_FILE_MODE,
  withDirectoryLock,
  writeFilesAtomically,
} from "./secure_file.ts";
import {
  clientFiles,
  loadAuthority,
  openRevocations,
  readCa,
  readCertificateIfPresent,
  readCertificates,
  type ServerTree,
  serverTree,
} from "./server_tree.ts";

/** "foreign": of another CA than the tree's, so the server refuses it. */
type ClientStatus =
  | "valid"
  | "revoked"
  | "expired"
  | "not yet valid"
  | "foreign"
  | "unreadable";

export interface ClientSummary {
  /** The common name; the file's where it cannot be read. */
  name: string;
  /** The certificate's file, "" when there is none any more. */
  certPath: string;
  /** Upper-case hexadecimal; "" when unreadable. */
  serial: string;
  /** Null when unreadable, or when only its revocation is known. */
  createdAt: Date | null;
  /** Null when unreadable. */
  notAfter: Date | null;
  revokedAt: Date | null;
  status: ClientStatus;
}

export interface ClientDetails extends ClientSummary {
  commonName: string;
  createdAt: Date;
  notBefore: Date;
  notAfter: Date;
  /** SHA-256 of the certificate, hexadecimal with colons. */
  fingerprint: string;
  /** Null when there is no bundle, as in trees of other programs. */
  bundlePath: string | null;
  /** Serials of this common name that are revoked, without this certificate's own. */
  revokedEarlier: string[];
  /** Files of further certificates of this common name that are not revoked. */
  others: string[];
}

export interface IssuedClient {
  name: string;
  serial: string;
  notAfter: Date;
  certPath: string;
  keyPath: string;
  bundlePath: string;
}

export interface RevokedClient {
  /** One for each certificate of the name. */
  revocations: Revocation[];
  /** What the operator should know, for example that `revoked.pem` could not be renewed. */
  notices: string[];
}

const IN_USE: ReadonlySet<ClientStatus> = new Set(["valid", "not yet valid"]);

/** The client certificates of one server tree. Changes are made under the tree's lock. */
export class ClientRegistry {
  readonly revocations: RevocationList;
  readonly #tree: ServerTree;
  readonly #ca: Certificate;

  constructor(tree: ServerTree, ca: Certificate, revocations: RevocationList) {
    this.#tree = tree;
    this.#ca = ca;
    this.revocations = revocations;
  }

  /**
   * Makes a key and a certificate for a new client, or for one whose certificate is revoked.
   * @throws {PkiError} "bad name", "name taken", "no CA key" and what reading and writing throw
   */
  async issue(name: string, now: Date): Promise<IssuedClient> {
    requireNewClientName(name);
    const { cert, key, bundle } = clientFiles(this.#tree, name);
    return await withDirectoryLock(this.#tree.directory, async () => {
      await this.#requireFree(name, now);
      const authority = await loadAuthority(this.#tree, now);
      const { pem: keyPem, spki } = generateKey();
      const certPem = await authority.issueClient(spki, name, now);
      await refuseForeignLink(this.#tree.clients);
      await makeSecretDirectory(this.#tree.clients);
      // In this order, since the Go client takes the last certificate for its own.
      const bundlePem = authority.certPem + certPem + keyPem;
      const replaced = await readCertificateIfPresent(cert);
      const outdated = replaced === null ? [] : await stampedCopies(this.#tree, name, replaced);
      const copy = stampedPath(this.#tree, name, now);
      const files: PendingFile[] = [
        { path: key, text: keyPem, mode: SECRET_FILE_MODE },
        { path: bundle, text: bundlePem, mode: SECRET_FILE_MODE },
      ];
      // A copy that tells when it was made, of what is public alone.
      if (!await exists(copy)) files.push({ path: copy, text: certPem, mode: PUBLIC_FILE_MODE });
      files.push({ path: cert, text: certPem, mode: PUBLIC_FILE_MODE });
      await writeFilesAtomically(files);
      // Of each client there is one copy; the list of the revoked tells of those before.
      for (const path of outdated) if (path !== copy) await removeFile(path);
      const [{ serial, notAfter }] = await readCertificates(cert);
      return { name, serial, notAfter, certPath: cert, keyPath: key, bundlePath: bundle };
    });
  }

  /**
   * That certificates can be issued, before what would be undone is done.
   * @throws {PkiError} "no CA key" and what reading the authority throws
   */
  async requireIssuer(now: Date): Promise<void> {
    await loadAuthority(this.#tree, now);
  }

  /** All clients by name, then revoked certificates that have no file any more. */
  async list(now: Date): Promise<ClientSummary[]> {
    const current = (await readClientFiles(this.#tree)).map((file): ClientSummary => {
      const { name, certificate, path: certPath, createdAt } = file;
      const common = { name, certPath, createdAt };
      if (certificate === null) {
        return { ...common, serial: "", notAfter: null, revokedAt: null, status: "unreadable" };
      }
      const { serial, notAfter } = certificate;
      const revokedAt = this.#revokedAt(serial);
      const status = this.#statusOf(certificate, now);
      return { ...common, serial, notAfter, revokedAt, status };
    });
    const listed = new Set(current.map((client) => client.serial));
    const earlier = this.#revocations()
      .filter((entry) => !listed.has(entry.serial))
      .map((entry): ClientSummary => ({
        name: entry.commonName,
        certPath: "",
        serial: entry.serial,
        createdAt: null,
        notAfter: entry.notAfter,
        revokedAt: entry.revokedAt,
        status: "revoked",
      }));
    return [...current, ...earlier];
  }

  /**
   * Everything about the client's certificate: the youngest that is not revoked, should there be
   * several of the name.
   * @throws {PkiError} "bad name", "no such client" and what reading a certificate throws
   */
  async show(name: string, now: Date): Promise<ClientDetails> {
    const certificates = await this.#requireClient(name);
    const revocations = this.#revocations();
    const isRevoked = (certificate: Certificate) =>
      revocations.some((entry) => entry.serial === certificate.serial);
    const certificate = certificates.find((each) => !isRevoked(each)) ?? certificates[0];
    const { serial, commonName, notBefore, notAfter, x509, path: certPath } = certificate;
    const bundle = certPath.replace(/\.pem$/, ".bundle");
    return {
      name,
      serial,
      commonName,
      createdAt: await createdAt(certificate),
      notBefore,
      notAfter,
      status: this.#statusOf(certificate, now),
      revokedAt: this.#revokedAt(serial),
      fingerprint: x509.fingerprint256,
      certPath,
      bundlePath: await exists(bundle) ? bundle : null,
      revokedEarlier: revocations
        .filter((entry) => entry.commonName === commonName && entry.serial !== serial)
        .map((entry) => entry.serial),
      others: certificates
        .filter((other) => other !== certificate && !isRevoked(other))
        .map((other) => other.path),
    };
  }

  /**
   * Revokes all certificates of the client. Works without the CA's key, except for the CRL.
   * @throws {PkiError} "bad name", "no such client", "already revoked", "too many revocations" and
   * what reading and writing throw
   */
  async revoke(name: string, now: Date): Promise<RevokedClient> {
    const { directory, revoked, crl } = this.#tree;
    return await withDirectoryLock(directory, async () => {
      const certificates = await this.#requireClient(name);
      let entries = this.#revocations();
      const revocations = certificates
        .filter(({ serial }) => !entries.some((entry) => entry.serial === serial))
        .map(({ serial, commonName, notAfter }): Revocation => {
          const subject = (commonName || name).slice(0, COMMON_NAME_LENGTH_MAX);
          return { serial, commonName: subject, revokedAt: now, notAfter };
        });
      const [{ path, serial }] = certificates;
      if (revocations.length === 0) {
        throw new PkiError(
          "already revoked",
          path,
          `Cannot revoke ${name}: its certificate ${path} (serial ${serial}) is revoked already; "fluxify-server cert new ${name}" issues a new one`,
        );
      }
      for (const added of revocations) entries = addRevocation(entries, added, revoked, now);
      const files: PendingFile[] = [
        { path: revoked, text: encodeRevocations(entries), mode: PUBLIC_FILE_MODE },
      ];
      const { crlPem, notices } = await this.#issueCrl(entries, now);
      if (crlPem !== null) files.push({ path: crl, text: crlPem, mode: PUBLIC_FILE_MODE });
      await writeFilesAtomically(files);
      return {
        revocations,
        notices: [...notices, ...await this.#remaining(certificates, entries)],
      };
    });
  }

  /** Serials with which the client may connect, now or later. @throws as show() does */
  async serialsInUse(name: string, now: Date): Promise<string[]> {
    return (await this.#requireClient(name))
      .filter((certificate) => IN_USE.has(this.#statusOf(certificate, now)))
      .map(({ serial }) => serial);
  }

  /**
   * Removes the files of a client none of whose certificates is in use. Revocations stay.
   * @returns the paths that were there
   * @throws {PkiError} "bad name", "no such client", "in use" and what reading and writing throw
   */
  async deleteFiles(name: string, now: Date): Promise<string[]> {
    return await withDirectoryLock(this.#tree.directory, async () => {
      const [serial] = await this.serialsInUse(name, now);
      const { cert } = clientFiles(this.#tree, name);
      if (serial !== undefined) {
        throw new PkiError(
          "in use",
          cert,
          `Cannot delete ${name}: its certificate (serial ${serial}) is in use, and would let in ` +
            `whoever has a copy; "fluxify-server cert revoke ${name}" first, or give --force to do both`,
        );
      }
      const files = await filesOfClient(this.#tree, name);
      for (const path of files) await removeFile(path);
      return files;
    });
  }

  /** A file's name stands for one certificate: others of its common name are let in as before. */
  async #remaining(
    [{ commonName }]: readonly [Certificate, ...Certificate[]],
    revocations: readonly Revocation[],
  ): Promise<string[]> {
    return (await readClientFiles(this.#tree))
      .filter(({ certificate }) =>
        certificate !== null && commonName !== "" && certificate.commonName === commonName &&
        !revocations.some((entry) => entry.serial === certificate.serial)
      )
      .map(({ path }) => `${path} is for ${commonName}, too, and is not revoked`);
  }

  async #issueCrl(revocations: Revocation[], now: Date) {
    try {
      const authority = await loadAuthority(this.#tree, now);
      return { crlPem: await authority.issueCrl(revocations, now), notices: [] };
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      const notice =
        `${this.#tree.crl}, which only other programs read, was not renewed: ${error.message}`;
      return { crlPem: null, notices: [notice] };
    }
  }

  /** @throws {PkiError} rather than answer, or write back, from a list that is out of date */
  #revocations(): Revocation[] {
    const entries = this.revocations.entries();
    const { problem, path } = this.revocations;
    if (problem !== null) throw new PkiError("damaged", path, problem);
    return entries;
  }

  #revokedAt(serial: string): Date | null {
    return this.#revocations().find((entry) => entry.serial === serial)?.revokedAt ?? null;
  }

  async #requireFree(name: string, now: Date): Promise<void> {
    const { cert, key, bundle } = clientFiles(this.#tree, name);
    const isOld = new Set<ClientStatus>(["revoked", "expired", "foreign"]);
    for (const { name: taken, path, certificate } of await readClientFiles(this.#tree)) {
      const status = certificate === null ? "unreadable" : this.#statusOf(certificate, now);
      // An expired file of our own name is not overwritten: it may be all that tells what was.
      const isFree = path === cert ? status === "revoked" : taken !== name || isOld.has(status);
      if (isFree) continue;
      throw new PkiError(
        "name taken",
        path,
        `Cannot issue a certificate for ${name}: ${path} exists${
          path === cert
            ? `; "fluxify-server cert renew ${name}" makes a new one in its place. Else `
            : " and has this name, and two machines of one name take each other's session; "
        }"fluxify-server cert revoke ${name}" first, or choose another name`,
      );
    }
    if (await exists(cert)) return;
    for (const path of [key, bundle]) {
      if (!await exists(path)) continue;
      throw new PkiError(
        "name taken",
        path,
        `Cannot issue a certificate for ${name}: ${path} exists without ${cert}; move it away, or choose another name`,
      );
    }
  }

  /** The certificates of the client, or the one whose file has the name; the youngest first. */
  async #requireClient(name: string): Promise<[Certificate, ...Certificate[]]> {
    requireStoredClientName(name);
    const { cert } = clientFiles(this.#tree, name);
    const certificates = (await readClientFiles(this.#tree))
      .map((file) => file.certificate)
      .filter((certificate) => certificate !== null);
    const named = certificates
      .filter((certificate) => certificate.commonName === name)
      .sort((one, other) => other.notBefore.getTime() - one.notBefore.getTime());
    const [first, ...rest] = named;
    if (first !== undefined) return [first, ...rest];
    const stored = await readCertificateIfPresent(cert);
    if (stored !== null) return [stored];
    throw new PkiError(
      "no such client",
      cert,
      `Cannot find the client ${name}: there is no ${cert}; "fluxify-server cert list" shows the clients there are`,
    );
  }

  #statusOf(certificate: Certificate, now: Date): ClientStatus {
    if (this.#revocations().some((entry) => entry.serial === certificate.serial)) return "revoked";
    if (!isIssuedBy(certificate, this.#ca)) return "foreign";
    if (now > certificate.notAfter) return "expired";
    return now < certificate.notBefore ? "not yet valid" : "valid";
  }
}

/**
 * Opens the clients of an existing tree; writes nothing and does not look at the server's own
 * certificate.
 * @param looked where the tree was looked for, for the message
 * @throws {PkiError} "not found" when there is no tree, and what reading the CA throws
 */
export async function openClientRegistry(
  directory: string,
  looked: readonly string[] = [directory],
): Promise<ClientRegistry> {
  const tree = serverTree(directory);
  if (!await exists(tree.ca)) {
    const places = looked.map((folder) => serverTree(resolve(folder)).ca).join(" nor ");
    throw new PkiError(
      "not found",
      tree.ca,
      `Cannot find a CA: there is no ${places}; name its folder with -pki, or make one by starting the server, or with "fluxify-server cert init"`,
    );
  }
  const [ca] = await readCa(tree.ca);
  return new ClientRegistry(tree, ca, await openRevocations(tree));
}
