import { createPrivateKey, type KeyObject } from "node:crypto";
import { isIP } from "node:net";
import type * as X509 from "@peculiar/x509";
import { type Certificate, parseCertificates, requireCurrent } from "./certificate.ts";
import { encodePem, parsePem } from "./pem.ts";
import { PkiError } from "./pki_error.ts";
import { caKeyAlgorithm, generateKey, keyMatches, type PrivateKey } from "./private_key.ts";
import type { Revocation } from "./revocation_file.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The CA outlives every router it is copied to; replacing it means new files for each client. */
const CA_LIFETIME_MS = 3650 * DAY_MS;
/** The longest lifetime that TLS clients commonly accept from a private CA. */
const SERVER_LIFETIME_MS = 825 * DAY_MS;
const CLIENT_LIFETIME_MS = 730 * DAY_MS;
/** New certificates are valid from one hour ago, for peers whose clock runs behind. */
export const BACKDATE_MS = HOUR_MS;

/** 128 bits with the two top ones fixed, so that the DER integer is positive and never shorter. */
const SERIAL_BYTES = 16;

const CRL_NUMBER_OID = "2.5.29.20";

type Library = typeof X509;

/** What is certified: who, for which use and how long. */
interface Subject {
  commonName: string;
  /** SubjectPublicKeyInfo, DER. */
  spki: Uint8Array<ArrayBuffer>;
  lifetimeMs: number;
  extensions: X509.Extension[];
}

/** A CA with its key in memory: signs certificates and the CRL. */
export class Authority {
  readonly #library: Library;
  readonly #certificate: Certificate;
  readonly #parsed: X509.X509Certificate;
  readonly #signingKey: CryptoKey;

  private constructor(library: Library, certificate: Certificate, signingKey: CryptoKey) {
    this.#library = library;
    this.#certificate = certificate;
    this.#parsed = new library.X509Certificate(certificate.pem);
    this.#signingKey = signingKey;
  }

  /** Makes a CA with a new ECDSA P-256 key. Nothing is written. */
  static async create(path: string, now: Date): Promise<{ authority: Authority; keyPem: string }> {
    const library = await loadLibrary();
    const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension } = library;
    const { pem: keyPem, spki } = generateKey();
    const signingKey = await importSigningKey(createPrivateKey(keyPem), path);
    const name = new library.Name([{ O: ["Fluxify"] }, { CN: ["Fluxify CA"] }]);
    const publicKey = new library.PublicKey(spki);
    const created = await library.X509CertificateGenerator.create({
      serialNumber: randomSerial(),
      subject: name,
      issuer: name,
      ...validity(now, CA_LIFETIME_MS),
      publicKey,
      signingKey,
      signingAlgorithm: signatureAlgorithmOf(signingKey),
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await library.SubjectKeyIdentifierExtension.create(publicKey),
      ],
    });
    const pem = encodePem("CERTIFICATE", new Uint8Array(created.rawData));
    const certificate = parseCertificates(parsePem(pem, path), path)[0]!;
    return { authority: new Authority(library, certificate, signingKey), keyPem };
  }

  /**
   * Takes up an existing CA: RSA, or ECDSA P-256 or P-384.
   * @throws {PkiError} "key mismatch", "expired", "not yet valid" or "unsupported key"
   */
  static async load(certificate: Certificate, key: PrivateKey, now: Date): Promise<Authority> {
    if (!keyMatches(key, certificate)) {
      throw new PkiError(
        "key mismatch",
        key.path,
        `Cannot issue certificates: the key in ${key.path} is not the key of the CA in ${certificate.path}; restore the two from one backup`,
      );
    }
    requireCurrent(certificate, now, `"fluxify-server -regen" makes a new CA`);
    const signingKey = await importSigningKey(key.key, key.path);
    return new Authority(await loadLibrary(), certificate, signingKey);
  }

  get certPem(): string {
    return this.#certificate.pem;
  }

  /** A certificate for a server reached by `hosts` (IP addresses and DNS names). PEM. */
  async issueServer(
    spki: Uint8Array<ArrayBuffer>,
    hosts: readonly string[],
    now: Date,
  ): Promise<string> {
    const { ExtendedKeyUsage, ExtendedKeyUsageExtension, SubjectAlternativeNameExtension } =
      this.#library;
    return await this.#issue({
      commonName: "fluxify-server",
      spki,
      lifetimeMs: SERVER_LIFETIME_MS,
      extensions: [
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension(
          hosts.map((value) => ({
            type: isIP(value) === 0 ? "dns" as const : "ip" as const,
            value,
          })),
        ),
      ],
    }, now);
  }

  /** A certificate for the client `name`. PEM. */
  async issueClient(spki: Uint8Array<ArrayBuffer>, name: string, now: Date): Promise<string> {
    const { ExtendedKeyUsage, ExtendedKeyUsageExtension } = this.#library;
    return await this.#issue({
      commonName: name,
      spki,
      lifetimeMs: CLIENT_LIFETIME_MS,
      extensions: [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])],
    }, now);
  }

  /**
   * The X.509 CRL of `revocations`, for OpenSSL and other tools. It stays valid as long as the CA:
   * it lies beside it and is written anew with each revocation. PEM.
   */
  async issueCrl(revocations: readonly Revocation[], now: Date): Promise<string> {
    const crl = await this.#library.X509CrlGenerator.create({
      issuer: this.#parsed.subjectName,
      thisUpdate: wholeSeconds(now.getTime() - BACKDATE_MS),
      nextUpdate: this.#certificate.notAfter,
      signingAlgorithm: signatureAlgorithmOf(this.#signingKey),
      signingKey: this.#signingKey,
      entries: revocations.map((entry) => ({
        serialNumber: evenHex(entry.serial),
        revocationDate: wholeSeconds(entry.revokedAt.getTime()),
      })),
      extensions: [
        await this.#authorityKeyIdentifier(),
        // Milliseconds since 1970: grows with each CRL without a counter to keep.
        new this.#library.Extension(CRL_NUMBER_OID, false, derInteger(now.getTime())),
      ],
    });
    return encodePem("X509 CRL", new Uint8Array(crl.rawData));
  }

  async #issue(subject: Subject, now: Date): Promise<string> {
    const library = this.#library;
    const { KeyUsageFlags } = library;
    const publicKey = new library.PublicKey(subject.spki);
    const keyUsage = publicKey.algorithm.name.startsWith("RSA")
      ? KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment
      : KeyUsageFlags.digitalSignature;
    const issued = await library.X509CertificateGenerator.create({
      serialNumber: randomSerial(),
      subject: new library.Name([{ CN: [subject.commonName] }]),
      // As parsed, not as text: TLS libraries compare the two names byte for byte.
      issuer: this.#parsed.subjectName,
      ...validity(now, subject.lifetimeMs, this.#certificate.notAfter),
      publicKey,
      signingKey: this.#signingKey,
      signingAlgorithm: signatureAlgorithmOf(this.#signingKey),
      extensions: [
        new library.BasicConstraintsExtension(false, undefined, true),
        new library.KeyUsagesExtension(keyUsage, true),
        ...subject.extensions,
        await library.SubjectKeyIdentifierExtension.create(publicKey),
        await this.#authorityKeyIdentifier(),
      ],
    });
    return encodePem("CERTIFICATE", new Uint8Array(issued.rawData));
  }

  async #authorityKeyIdentifier(): Promise<X509.Extension> {
    const { AuthorityKeyIdentifierExtension, SubjectKeyIdentifierExtension } = this.#library;
    const own = this.#parsed.getExtension(SubjectKeyIdentifierExtension);
    return own === null
      ? await AuthorityKeyIdentifierExtension.create(this.#parsed.publicKey)
      : new AuthorityKeyIdentifierExtension(own.keyId);
  }
}

/** The library is loaded when something is signed: verifying, which every start does, needs none. */
async function loadLibrary(): Promise<Library> {
  await import("reflect-metadata");
  return await import("@peculiar/x509");
}

async function importSigningKey(key: KeyObject, path: string): Promise<CryptoKey> {
  const algorithm = caKeyAlgorithm(key);
  try {
    if (algorithm !== null) {
      const der = key.export({ type: "pkcs8", format: "der" });
      return await crypto.subtle.importKey("pkcs8", new Uint8Array(der), algorithm, false, [
        "sign",
      ]);
    }
  } catch {
    // Refused below; no cause, for a parser's message might quote the key.
  }
  throw new PkiError(
    "unsupported key",
    path,
    `Cannot issue certificates with the key in ${path}: it is neither RSA nor ECDSA P-256 or P-384; "fluxify-server -regen" makes a new CA`,
  );
}

function signatureAlgorithmOf(key: CryptoKey): EcdsaParams {
  const { name, namedCurve } = key.algorithm as EcKeyAlgorithm;
  return { name, hash: namedCurve === "P-384" ? "SHA-384" : "SHA-256" };
}

function validity(now: Date, lifetimeMs: number, notLaterThan?: Date) {
  const end = Math.min(now.getTime() + lifetimeMs, notLaterThan?.getTime() ?? Infinity);
  return {
    notBefore: wholeSeconds(now.getTime() - BACKDATE_MS),
    notAfter: wholeSeconds(end),
  };
}

/** X.509 has no fractions of a second. */
function wholeSeconds(timeMs: number): Date {
  return new Date(Math.floor(timeMs / 1000) * 1000);
}

function randomSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SERIAL_BYTES));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toHex();
}

function derInteger(value: number): Uint8Array<ArrayBuffer> {
  const digits = evenHex(value.toString(16));
  const positive = parseInt(digits.slice(0, 2), 16) > 0x7f ? "00" + digits : digits;
  const octets = Uint8Array.fromHex(positive);
  return new Uint8Array([0x02, octets.length, ...octets]);
}

function evenHex(hex: string): string {
  return hex.length % 2 === 0 ? hex : "0" + hex;
}
