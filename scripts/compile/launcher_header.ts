/**
 * The shell text in front of a packed program. What lies in the cache, by digests:
 *
 *     runtime.R/NAME        the Deno binary, a hard link for each program
 *     NAME-P-R/program.js   the program, which needs runtime R
 *     NAME-P-R/state        what the runtime remembers; the user's own
 *     .new.PID.*            being written by that process
 *
 * It is code that root runs. So the header runs nothing that somebody else could have written: each
 * file, and each folder down to it, belongs to the user or to the owner of `/`, and nobody else can
 * write it. What root unpacked to /var/cache/fluxify thus serves all users; without it they unpack
 * into their own homes. Files appear whole, checked and on disk, or not at all.
 */

interface PackedPart {
  /** Length in the launcher, and of what comes out. */
  packedBytes: number;
  plainBytes: number;
  /** SHA-256 in hex: of what comes out, which names it, and of what is packed, which is checked. */
  digest: string;
  packedDigest: string;
}

export interface LauncherContent {
  name: string;
  names: readonly string[];
  runtime: PackedPart;
  program: PackedPart;
  runtimeArguments: readonly string[];
  /** The build as a setting of the environment, without quotes. */
  build: string;
}

/** 128 bits name a file. */
const SHORT_DIGEST = 32;

export function headerText(
  { name, names, runtime, program, runtimeArguments, build }: LauncherContent,
): string {
  const runtimeId = runtime.digest.slice(0, SHORT_DIGEST);
  const programId = program.digest.slice(0, SHORT_DIGEST);
  const payloadBytes = runtime.packedBytes + program.packedBytes;
  const neededMb = Math.ceil((runtime.plainBytes + program.plainBytes) / 1e6);
  // The braces make the shell read the header to its end before it runs any of it: a file that was
  // cut off inside is a syntax error, and the payload behind it is never read as commands.
  return `#!/bin/sh
{ # ${name}: this text unpacks and starts the program that follows it.
set -euf
caller_path=\${PATH-}
caller_umask=$(umask)
PATH=/usr/bin:/bin:/usr/sbin:/sbin
umask 022
self=$0
newline='
'
runtime=runtime.${runtimeId}
program=${name}-${programId}-${runtimeId}
elsewhere='set FLUXIFY_CACHE to a folder of your own, on a disk with ${neededMb} MB free'
say() { printf '%s: %s\\n' ${name} "$1" >&2; }
fail() { say "$1"; exit 1; }

# look FOLDER: whether the runtime and the program lie there whole, and what of it others can write.
look() {
  has_runtime= has_program= bad_runtime= bad_program= unsafe= top=
  folder=$1
  set -- "$1/$runtime" "$1/$program" "$1/$runtime/${name}" "$1/$program/program.js"
  above=$folder
  while [ -n "$above" ]; do set -- "$above" "$@"; above=\${above%/*}; done
  # ls sorts: / comes first. Its owner can do as he likes anyway.
  while read -r mode links owner group size month day time path; do
    [ -n "$mode" ] || continue
    [ -n "$top" ] || top=$owner
    safe=
    if [ "$owner" = "$uid" ] || [ "$owner" = "$top" ]; then
      case $mode in
        [d-]????-??-*) safe=1 ;;
        d????????[tT]*) case $path in "$folder"|"$folder"/*) ;; *) safe=1 ;; esac ;;
        d????w??-*)
          # A user's own group may write above the cache: some systems give each user one.
          case $path in "$folder"|"$folder"/*) ;;
            *) [ "$uid" = 0 ] || [ "$owner" != "$uid" ] || [ "$group" != "$(id -g)" ] || safe=1 ;;
          esac ;;
      esac
    fi
    case $mode in -*) file=$size ;; *) file= path=\${path%% -> *} ;; esac
    case $path in
      "$folder/$program/program.js")
        if [ "$safe$file" = 1${program.plainBytes} ]; then has_program=1; else bad_program=1; fi ;;
      "$folder/$runtime/${name}")
        if [ "$safe$file" = 1${runtime.plainBytes} ]; then has_runtime=1; else bad_runtime=1; fi ;;
      *) [ -n "$safe" ] && [ -z "$file" ] || unsafe=\${unsafe:-$path} ;;
    esac
  done <<END
$(LC_ALL=C ls -ldn -- / "$@" 2>/dev/null)
END
}

# unpack BYTES_FROM_END PACKED PLAIN DIGEST: makes the file $new, whole and on disk.
unpack() {
  new=$(mktemp "$cache/.new.$$.XXXXXXXXXX" 2>/dev/null) ||
    fail "cannot write to $cache, a full or read-only disk or a folder of others: $elsewhere"
  # Its digest is made meanwhile, on another core. Through a handle: a signal removes the file, and
  # gzip, which ends a little later, must not make it again.
  exec 3>"$new"
  tail -c "$1" -- "$self" | head -c "$2" | gzip -dc >&3 2>/dev/null &
  unpacking=$!
  exec 3>&-
  sum=$(tail -c "$1" -- "$self" | head -c "$2" | sha256sum)
  unpacked=
  if wait "$unpacking"; then unpacked=1; fi
  [ "\${sum%% *}" = "$4" ] || fail "$self is damaged: install it again"
  # gzip checks what comes out; sync, before the file gets its name, what is on disk.
  { [ -n "$unpacked" ] && [ "$(wc -c <"$new")" -eq "$3" ] && sync -- "$new" 2>/dev/null; } ||
    fail "there is no room in $cache: free ${neededMb} MB there, or $elsewhere"
}
unpack_runtime() {
  dir=$cache/$runtime
  if [ -n "$bad_runtime" ]; then
    say "$dir/${name} was damaged, and is unpacked again"
    rm -rf -- "$dir"
  fi
  unpack ${payloadBytes} ${runtime.packedBytes} ${runtime.plainBytes} ${runtime.packedDigest}
  chmod 755 "$new"
  mkdir -p -- "$dir"
  # Of several starts at once the first one's file stays, and all names are links of it.
  for each in ${names.join(" ")}; do
    ln -- "$new" "$dir/$each" 2>/dev/null || :
    [ "$each" = ${names[0]} ] || ln -f -- "$dir/${names[0]}" "$dir/$each" 2>/dev/null || :
  done
  rm -f -- "$new"
  new=
}
unpack_program() {
  if [ -n "$bad_program" ]; then
    say "$home/program.js was damaged, and is unpacked again"
    rm -rf -- "$home/program.js"
  fi
  unpack ${program.packedBytes} ${program.packedBytes} ${program.plainBytes} ${program.packedDigest}
  chmod 644 "$new"
  mv -f -- "$new" "$home/program.js"
  new=
}
# What a start that was killed left half written.
clear_leftovers() {
  set +f
  for entry in "$cache"/.new.*; do
    pid=\${entry##*/.new.}
    { [ ! -e "$entry" ] || [ -d "/proc/\${pid%%.*}" ]; } || rm -rf -- "$entry" 2>/dev/null || :
  done
  set -f
}
# Removes other versions of this program that nobody runs, then runtimes that no program needs.
sweep() {
  running=unread
  set +f
  for entry in "$cache/${name}-"* "$cache"/runtime.*; do
    id=\${entry#"$cache/${name}-"} id=\${id#"$cache/runtime."}
    case $entry in "$home"|"$cache/$runtime") continue ;; esac
    case $id in *[!0-9a-f-]*) continue ;; esac
    if [ \${#id} -lt ${SHORT_DIGEST} ] || [ -L "$entry" ] || [ ! -d "$entry" ]; then continue; fi
    case $entry in
      "$cache/runtime."*) for user in "$cache"/*-"$id"; do [ ! -e "$user" ] || continue 2; done ;;
    esac
    if [ "$running" = unread ]; then
      [ -r /proc/self/cmdline ] || break
      running=$newline$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n') || :
    fi
    case $running in *"$newline$entry/"*) continue ;; esac
    rm -rf -- "$entry" 2>/dev/null || :
  done
  set -f
}

uid=$(id -u)
shared=/var/cache/fluxify
if [ -n "\${FLUXIFY_CACHE-}" ]; then own=$FLUXIFY_CACHE shared=
elif [ "$uid" = 0 ]; then own=$shared shared=
else own=\${HOME:+$HOME/.cache/fluxify}
fi
case $own in ''|/*) ;; *) fail 'FLUXIFY_CACHE must be the whole path of a folder, from / on' ;; esac
case $own in *"$newline"*) fail "a folder with a line feed in its name cannot be used" ;; esac

runtime_at= program_at=
if [ -n "$shared" ] && [ -d "$shared" ]; then
  look "$shared"
  if [ -z "$unsafe" ]; then
    runtime_at=\${has_runtime:+$shared} program_at=\${has_program:+$shared}
  fi
fi

cache= unsafe= why=
if [ -n "$own" ]; then
  if [ "$uid" != 0 ]; then umask 077; fi
  [ -d "$own" ] || why=$(LC_ALL=C mkdir -p -- "$own" 2>&1) || :
  if [ -L "$own" ]; then unsafe=$own
  else cache=$(cd -P -- "$own" 2>/dev/null && pwd -P) || cache=
  fi
fi
if [ -n "$cache" ]; then
  look "$cache"
  if [ -z "$unsafe" ]; then
    runtime_at=\${runtime_at:-\${has_runtime:+$cache}}
    program_at=\${program_at:-\${has_program:+$cache}}
  fi
fi

if [ -z "$runtime_at" ] || [ -z "$program_at" ]; then
  [ -n "$own" ] || fail "HOME is not set, so there is no folder to unpack into: $elsewhere"
  [ -z "$unsafe" ] ||
    fail "$unsafe must be a folder of user $uid or root that no one else can write: remove it, or $elsewhere"
  [ -n "$cache" ] || fail "cannot make the folder $own (\${why##*: }): $elsewhere"
  home=$cache/$program
  new=
  trap '[ -z "$new" ] || rm -f -- "$new"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  clear_leftovers
  if [ "$cache" = /var/cache/fluxify ]; then chmod 755 "$cache" 2>/dev/null || :; fi
  # The program's folder first: it keeps the runtime that it names from being swept.
  why=$(LC_ALL=C mkdir -p -- "$home" 2>&1) ||
    fail "cannot make the folder $home (\${why##*: }): $elsewhere"
  [ -n "$runtime_at" ] || { unpack_runtime; runtime_at=$cache; }
  [ -n "$program_at" ] || { unpack_program; program_at=$cache; }
  trap - EXIT HUP INT TERM
  look "$cache"
  { [ "$runtime_at" != "$cache" ] || [ -n "$has_runtime" ]; } &&
    { [ "$program_at" != "$cache" ] || [ -n "$has_program" ]; } ||
    fail "$cache does not keep what is unpacked there: $elsewhere"
fi
[ -x "$runtime_at/$runtime/${name}" ] ||
  fail "no program may be run from $runtime_at (its disk is mounted noexec?): $elsewhere"

# Its own folder, so that root never reads what lies in a user's home; the runtime does without one.
state=/dev/null
if [ -n "$cache" ] && [ -z "$unsafe" ]; then
  home=$cache/$program
  clear_leftovers
  sweep
  [ -d "$home/state" ] || { mkdir -p -- "$home" && mkdir -m 700 -- "$home/state"; } 2>/dev/null || :
  [ ! -O "$home/state" ] || state=$home/state
fi
umask "$caller_umask"
PATH=$caller_path
DENO_DIR=$state DENO_NO_UPDATE_CHECK=1
# For the commands that the program tells its user to type.
FLUXIFY_CALLED_AS=$self
# The runtime reads .npmrc in HOME, and ends where it cannot; the program takes HOME back.
FLUXIFY_HOME=\${HOME-}
HOME=$program_at/$program
export DENO_DIR DENO_NO_UPDATE_CHECK FLUXIFY_CALLED_AS FLUXIFY_HOME HOME ${quote(build)}
# The signal that would open the runtime's debugger, and the one that asks for the status, must not
# end a program that has not set up what they do.
trap '' USR1 USR2
exec "$runtime_at/$runtime/${name}" ${
    runtimeArguments.map(quote).join(" ")
  } "$program_at/$program/program.js" "$@"
exit 127
}
`;
}

function quote(text: string): string {
  return /^[\w=./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
