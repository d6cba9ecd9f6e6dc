/**
 * A program as one executable file without a compiled-in runtime: a POSIX shell header, then the
 * Deno binary and the program, each packed by gzip. The first start unpacks them into a folder named
 * by their digest, later ones find them there, and either becomes the program by `exec`: arguments,
 * terminal, signals and exit code are the program's own. The runtime bears the program's name, by
 * which `pidof` finds it. A start that unpacks removes the versions before that nobody runs.
 *
 * The folder holds code that root runs. So the header takes it only when it belongs to the user who
 * starts the program and nobody else can write it, and it appears whole or not at all.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

/** A file inside the launcher. */
export interface PackedFile {
  packed: Uint8Array;
  /** Length of what comes out. */
  plainBytes: number;
}

export interface LauncherParts {
  /** Name of the program, for messages and the folder. */
  name: string;
  /** The Deno binary. */
  runtime: PackedFile;
  /** One JavaScript module with everything it needs. */
  program: PackedFile;
  /** Arguments of the runtime in front of the program's file, `run` first. */
  runtimeArguments: readonly string[];
  /** Where to unpack: the system's cache folder, or one path for tests. */
  cache: { kind: "system" } | { kind: "folder"; path: string };
}

const NAME = /^[a-z][a-z0-9-]{0,63}$/;

/** Packs a file; `level` is gzip's, 9 for what is shipped. */
export function packFile(plain: Uint8Array, level: number): PackedFile {
  return { packed: gzipSync(plain, { level }), plainBytes: plain.byteLength };
}

/** The bytes of the executable file. Throws RangeError for a name that is none. */
export function buildLauncher(parts: LauncherParts): Uint8Array {
  if (!NAME.test(parts.name)) throw new RangeError(`Cannot name a program '${parts.name}'`);
  const payload = [parts.runtime.packed, parts.program.packed];
  const digest = createHash("sha256");
  for (const bytes of payload) digest.update(bytes);
  const payloadBytes = payload[0]!.byteLength + payload[1]!.byteLength;
  const header = headerOfOwnLength(parts, digest.digest("hex"), payloadBytes);

  const file = new Uint8Array(header.byteLength + payloadBytes);
  file.set(header, 0);
  file.set(payload[0]!, header.byteLength);
  file.set(payload[1]!, header.byteLength + payload[0]!.byteLength);
  return file;
}

/** The header states the length of the whole file, so its own length depends on itself. */
function headerOfOwnLength(parts: LauncherParts, digest: string, payloadBytes: number): Uint8Array {
  const encode = (fileBytes: number) =>
    new TextEncoder().encode(headerText(parts, digest, payloadBytes, fileBytes));
  let header = encode(payloadBytes);
  while (encode(header.byteLength + payloadBytes).byteLength !== header.byteLength) {
    header = encode(header.byteLength + payloadBytes);
  }
  return encode(header.byteLength + payloadBytes);
}

function headerText(
  { name, runtime, program, runtimeArguments, cache }: LauncherParts,
  digest: string,
  payloadBytes: number,
  fileBytes: number,
): string {
  const setCache = cache.kind === "folder"
    ? `cache=${quote(cache.path)}`
    : `if [ "$uid" = 0 ]; then cache=/var/cache/fluxify
elif [ -n "\${HOME-}" ]; then cache=$HOME/.cache/fluxify
else fail 'HOME is not set, so there is no folder to unpack into'
fi`;
  // The braces make the shell read the header to its end before it runs any of it: a file that was
  // cut off inside is a syntax error, and the payload behind it is never read as commands.
  return `#!/bin/sh
{ # ${name}: this text unpacks and starts the program that follows it.
set -euf
caller_path=\${PATH-}
caller_umask=$(umask)
PATH=/usr/bin:/bin:/usr/sbin:/sbin
umask 077
self=$0
digest=${digest}
fail() { printf '%s: %s\\n' ${name} "$1" >&2; exit 1; }

# is TYPE PATH [SIZE]: an entry of that type and size, ours, and no one else's to write.
is() {
  type=$1 path=$2 size=\${3-}
  set -- $(ls -ldn -- "$path" 2>/dev/null)
  case \${1-} in "$type"????-??-*) ;; *) return 1 ;; esac
  [ "$3" = "$uid" ] && { [ -z "$size" ] || [ "$5" = "$size" ]; }
}
# A private folder must be one: a link, or a folder others can write, is a trap or a mistake.
private() {
  is d "$1" || fail "$1 must be a folder of user $uid that no one else can write: remove it"
}
complete() {
  private "$home"
  is - "$home/${name}" ${runtime.plainBytes} && is - "$home/program.js" ${program.plainBytes}
}
unpack() {
  tail -c ${payloadBytes} -- "$self" | sha256sum | grep -q "^$digest " || fail "$self is damaged"
  new=
  trap '[ -z "$new" ] || rm -rf -- "$new"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  new=$(mktemp -d "$cache/.new.XXXXXXXXXX") || fail "cannot write to $cache"
  tail -c ${payloadBytes} -- "$self" | head -c ${runtime.packed.byteLength} | gzip -dc >"$new/${name}" ||
    fail "cannot unpack into $cache: is the disk full?"
  tail -c ${program.packed.byteLength} -- "$self" | gzip -dc >"$new/program.js" ||
    fail "cannot unpack into $cache: is the disk full?"
  mkdir "$new/state"
  chmod 700 "$new/${name}"
  # Of several starts at once the first one's folder stays: the name is taken for the others.
  mv -T -- "$new" "$home" 2>/dev/null || rm -rf -- "$new"
  trap - EXIT HUP INT TERM
}
# Removes other versions that nobody runs. One that is just being started is unpacked again.
tidy() {
  [ -r /proc/self/exe ] || return 0
  newline='
'
  set +f
  running=$newline$(readlink /proc/[0-9]*/exe 2>/dev/null) || :
  for other in "$cache/${name}-"*; do
    if [ "$other" = "$home" ] || [ \${#other} -ne \${#home} ] || ! is d "$other"; then continue; fi
    case $running in *"$newline$other/"*) continue ;; esac
    rm -rf -- "$other" 2>/dev/null || :
  done
  set -f
}

uid=$(id -u)
[ "$(wc -c <"$self")" -eq ${fileBytes} ] || fail "$self is damaged: its size is not ${fileBytes}"
${setCache}
home=$cache/${name}-$digest
mkdir -p -- "$cache" 2>/dev/null || :
private "$cache"
[ -e "$home" ] || [ -L "$home" ] || { unpack; tidy; }
complete || fail "$home is damaged: remove it"

umask "$caller_umask"
PATH=$caller_path
# Its own folder, so that root never reads a cache that lies in a user's home.
DENO_DIR=$home/state DENO_NO_UPDATE_CHECK=1
# For the commands that the program tells its user to type.
FLUXIFY_CALLED_AS=$0
export DENO_DIR DENO_NO_UPDATE_CHECK FLUXIFY_CALLED_AS
# The signal that would open the runtime's debugger, and the one that asks for the status, must not
# end a program that has not set up what they do.
trap '' USR1 USR2
exec "$home/${name}" ${runtimeArguments.map(quote).join(" ")} "$home/program.js" "$@"
exit 127
}
`;
}

function quote(text: string): string {
  return /^[\w=./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
