import { join } from "node:path";

/** How a key is generated, and under which PEM label it is stored. */
export type KeyKind = "RSA 2048" | "RSA 4096" | "EC P-256" | "EC P-384" | "EC P-521";

/** A tree as other programs leave it: PKCS#1 or SEC 1 keys, no bundles, no revocation list. */
export interface ForeignTree {
  directory: string;
  /** Issues one more client certificate, valid for `days`, in `file.pem`, by default `name.pem`. */
  issueClient(name: string, kind: KeyKind, days?: number, file?: string): Promise<void>;
}

interface ForeignTreeOptions {
  kind: KeyKind;
  /** As `subjectAltName` has it. */
  subjectAltName?: string;
  /** OpenSSL's `string_mask`: "pkix" writes PrintableString as Go does, "utf8only" UTF8String. */
  stringMask?: "pkix" | "utf8only";
  serverDays?: number;
}

const KEY_ARGUMENTS: Record<KeyKind, string[]> = {
  "RSA 2048": ["genrsa", "-traditional", "-out", "KEY", "2048"],
  "RSA 4096": ["genrsa", "-traditional", "-out", "KEY", "4096"],
  "EC P-256": ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "KEY"],
  "EC P-384": ["ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", "KEY"],
  "EC P-521": ["ecparam", "-name", "secp521r1", "-genkey", "-noout", "-out", "KEY"],
};

/** Whether the `openssl` program is installed; tests against it are ignored where it is not. */
export function hasOpenssl(): boolean {
  try {
    return new Deno.Command("openssl", { args: ["version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** Runs openssl and returns both its outputs; throws with them when it fails. */
export async function openssl(...args: string[]): Promise<string> {
  const { success, output } = await tryOpenssl(...args);
  if (!success) throw new Error(`openssl ${args.join(" ")}: ${output}`);
  return output;
}

export async function tryOpenssl(
  ...args: string[]
): Promise<{ success: boolean; output: string }> {
  const { success, stdout, stderr } = await new Deno.Command("openssl", { args }).output();
  const decoder = new TextDecoder();
  return { success, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Checks `cert` against the tree's CA and CRL as strictly as OpenSSL can. */
export function opensslVerify(directory: string, cert: string, at?: Date) {
  const time = at === undefined ? [] : ["-attime", String(Math.floor(at.getTime() / 1000))];
  const ca = join(directory, "ca.pem");
  const crl = join(directory, "revoked.pem");
  const check = ["-x509_strict", "-crl_check", ...time, "-CAfile", ca, "-CRLfile", crl];
  return tryOpenssl("verify", ...check, cert);
}

export async function makeKey(kind: KeyKind, path: string): Promise<void> {
  await openssl(...KEY_ARGUMENTS[kind].map((argument) => argument === "KEY" ? path : argument));
  await Deno.chmod(path, 0o600);
}

/** Makes a whole tree in `directory` with the `openssl` program alone. */
export async function makeForeignTree(
  directory: string,
  options: ForeignTreeOptions,
): Promise<ForeignTree> {
  const at = (name: string) => join(directory, name);
  const config = at("openssl.cnf");
  await Deno.writeTextFile(config, configText(options));
  await Deno.mkdir(at("clients"));
  await makeKey(options.kind, at("ca-key.pem"));
  await openssl(
    ...["req", "-x509", "-config", config, "-extensions", "ca", "-days", "3650"],
    ...["-subj", "/O=Fluxify/CN=Fluxify CA", "-key", at("ca-key.pem"), "-out", at("ca.pem")],
  );
  const issue = async (
    name: string,
    usage: "server" | "client",
    kind: KeyKind,
    stem: string,
    days: number,
  ) => {
    const request = at("request.pem");
    await makeKey(kind, `${stem}-key.pem`);
    await openssl(
      ...["req", "-new", "-config", config, "-subj", `/CN=${name}`],
      ...["-key", `${stem}-key.pem`, "-out", request],
    );
    await openssl(
      ...["x509", "-req", "-in", request, "-CA", at("ca.pem"), "-CAkey", at("ca-key.pem")],
      ...["-set_serial", `0x${crypto.randomUUID().replaceAll("-", "")}`, "-days", String(days)],
      ...["-extfile", config, "-extensions", usage, "-out", `${stem}.pem`],
    );
    await Deno.remove(request);
  };
  await issue("server", "server", options.kind, at("server"), options.serverDays ?? 365);
  return {
    directory,
    issueClient: (name, kind, days = 365, file = name) =>
      issue(name, "client", kind, at(`clients/${file}`), days),
  };
}

function configText({ stringMask = "pkix", subjectAltName }: ForeignTreeOptions): string {
  return `[req]
distinguished_name = dn
prompt = no
string_mask = ${stringMask}
[dn]
CN = replaced
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectKeyIdentifier = hash
[server]
subjectAltName = ${subjectAltName ?? "IP:127.0.0.1,DNS:localhost"}
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
[client]
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
`;
}
