/** PEM texts, and the files they are in for `openssl s_client`. */
export interface TestCertificate {
  readonly certPem: string;
  readonly keyPem: string;
  readonly certFile: string;
  readonly keyFile: string;
}

interface TestCertificateOptions {
  /** An OpenSSL subject, such as "/CN=alice". */
  subject?: string;
  extensions?: string[];
  /** Negative for a certificate that has expired. */
  days?: number;
  /** For a certificate of the future; it ends five days later. */
  notBefore?: Date;
  /** Who signs it, instead of the authority itself. */
  issuer?: TestCertificate;
}

/** A certificate authority for tests, made with the openssl command in a temporary directory. */
export class TestAuthority {
  readonly directory: string;
  readonly certPem: string;
  readonly certFile: string;

  private constructor(directory: string, certPem: string) {
    this.directory = directory;
    this.certPem = certPem;
    this.certFile = `${directory}/ca.pem`;
  }

  static async create(): Promise<TestAuthority> {
    const directory = await Deno.makeTempDir({ prefix: `fluxify_control_${Deno.pid}_` });
    const subject = ["-subj", "/CN=test authority", "-addext", "keyUsage=critical,keyCertSign"];
    const files = ["-keyout", `${directory}/ca.key`, "-out", `${directory}/ca.pem`];
    await openssl("req", "-x509", ...NEW_KEY, ...files, "-days", "10", ...subject);
    return new TestAuthority(directory, await Deno.readTextFile(`${directory}/ca.pem`));
  }

  /** Signs a certificate; `name` also names its files, so it must be new. */
  async issue(name: string, options: TestCertificateOptions = {}): Promise<TestCertificate> {
    const base = `${this.directory}/${name}`;
    const extensions = options.extensions ?? ["extendedKeyUsage=clientAuth"];
    await Deno.writeTextFile(`${base}.ext`, extensions.join("\n") + "\n");
    const subject = options.subject ?? `/CN=${name}`;
    await openssl(
      ...["req", ...NEW_KEY, "-keyout", `${base}.key`, "-out", `${base}.csr`, "-subj", subject],
    );
    if (options.notBefore === undefined) {
      await this.#sign(base, options.days ?? 5, options.issuer);
    } else await this.#signFrom(base, options.notBefore);
    return {
      certPem: await Deno.readTextFile(`${base}.pem`),
      keyPem: await Deno.readTextFile(`${base}.key`),
      certFile: `${base}.pem`,
      keyFile: `${base}.key`,
    };
  }

  /** A server certificate for the loopback addresses and localhost. */
  issueServer(name: string, options: TestCertificateOptions = {}): Promise<TestCertificate> {
    const names = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1";
    return this.issue(name, { extensions: ["extendedKeyUsage=serverAuth", names], ...options });
  }

  async #sign(base: string, days: number, issuer?: TestCertificate): Promise<void> {
    const { certFile = this.certFile, keyFile = `${this.directory}/ca.key` } = issuer ?? {};
    await openssl(
      ...["x509", "-req", "-in", `${base}.csr`, "-out", `${base}.pem`],
      ...["-CA", certFile, "-CAkey", keyFile, "-CAcreateserial"],
      ...["-days", String(days), "-extfile", `${base}.ext`],
    );
  }

  /** The x509 command of OpenSSL 3.0 cannot choose the start; the ca command can. */
  async #signFrom(base: string, notBefore: Date): Promise<void> {
    const config = [
      "[ca]\ndefault_ca = test",
      `[test]\ndatabase = ${base}.db\nserial = ${base}.serial\nnew_certs_dir = ${this.directory}`,
      "default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n",
    ];
    await Deno.writeTextFile(`${base}.cnf`, config.join("\n"));
    await Deno.writeTextFile(`${base}.db`, "");
    await Deno.writeTextFile(`${base}.serial`, "7A01\n");
    const end = new Date(notBefore.getTime() + 5 * 86_400_000);
    await openssl(
      ...["ca", "-batch", "-notext", "-config", `${base}.cnf`],
      ...["-in", `${base}.csr`, "-out", `${base}.pem`, "-extfile", `${base}.ext`],
      ...["-cert", this.certFile, "-keyfile", `${this.directory}/ca.key`],
      ...["-startdate", asn1Time(notBefore), "-enddate", asn1Time(end)],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.directory, { recursive: true });
  }
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** YYYYMMDDHHMMSSZ. */
function asn1Time(date: Date): string {
  return date.toISOString().replace(/\.\d+|[-:T]/g, "");
}

async function openssl(...args: string[]): Promise<void> {
  const output = await new Deno.Command("openssl", { args, stderr: "piped" }).output();
  if (output.success) return;
  throw new Error(`openssl ${args[0]} failed: ${new TextDecoder().decode(output.stderr)}`);
}
