import { createPrivateKey, X509Certificate } from "node:crypto";
import { formatDate } from "../../lib/pki/certificate.ts";
import { ControlError } from "./control_error.ts";

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** PEM texts of a client's bundle. */
export interface ClientCredentials {
  readonly certPem: string;
  readonly keyPem: string;
  /** The authority of the server, or several while it is being replaced. No other is trusted. */
  readonly caPem: string;
}

/**
 * Checks before any connection what needs no server to tell. A server refuses most of this with a
 * bare close, which says nothing to anybody. `nowMs` is the time since 1970.
 *
 * Throws ControlError "bad credentials" or "own certificate out of date"; never shows a key.
 */
export function checkClientCredentials(credentials: ClientCredentials, nowMs: number): void {
  const certificate = readCertificate(credentials.certPem, "client certificate");
  const authorities = (credentials.caPem.match(PEM_CERTIFICATE) ?? [])
    .map((pem) => readCertificate(pem, "authority's certificate"));
  let matches: boolean;
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(credentials.keyPem));
  } catch {
    throw badCredentials("its key is not a private key in PEM");
  }
  if (!matches) throw badCredentials("its key belongs to another certificate");
  if (!authorities.some((authority) => certificate.verify(authority.publicKey))) {
    throw badCredentials("its certificate was not signed by an authority in it");
  }
  if (nowMs > Date.parse(certificate.validTo)) {
    throw new ControlError(
      "own certificate out of date",
      `Cannot connect: the certificate of this client expired on ${
        formatDate(new Date(certificate.validTo))
      }; ` +
        "get a new bundle from the operator of the server, or correct the clock of this machine",
      { retryable: false },
    );
  }
  if (nowMs < Date.parse(certificate.validFrom)) {
    throw new ControlError(
      "own certificate out of date",
      `Cannot connect: the certificate of this client is valid from ${
        formatDate(new Date(certificate.validFrom))
      }` +
        ", which is in the future; check the clock of this machine",
      { retryable: true },
    );
  }
}

function readCertificate(pem: string, what: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw badCredentials(`its ${what} is not a certificate in PEM`);
  }
}

function badCredentials(what: string): ControlError {
  return new ControlError(
    "bad credentials",
    `Cannot use the bundle of this client: ${what}; get a new one from the operator of the server`,
    { retryable: false },
  );
}
