/** One line of /etc/passwd, see passwd(5): name:password:uid:gid:comment:home:shell. */
const PASSWD_FIELDS = 7;
const FIELD_NAME = 0;
const FIELD_UID = 2;
const FIELD_GID = 3;
const FIELD_HOME = 5;

/** The launcher of a program that is built around the runtime keeps the caller's HOME here. */
export const KEPT_HOME = "FLUXIFY_HOME";

/**
 * Gives the program, and the commands it runs, the HOME of its caller: the launcher names another
 * one to the runtime, which would end with an error of its own where ~/.npmrc is not to its liking.
 */
export function restoreHome(): void {
  const kept = Deno.env.get(KEPT_HOME);
  if (kept === undefined) return;
  if (kept === "") Deno.env.delete("HOME");
  else Deno.env.set("HOME", kept);
  Deno.env.delete(KEPT_HOME);
}

/** The person at the keyboard: who called sudo, or else who runs the program. */
export interface InvokingUser {
  home: string;
  /** Known when sudo was used: files made for this user should belong to them. */
  owner: { uid: number; gid: number } | null;
}

interface UserEnvironment {
  uid: number | null;
  sudoUser: string | undefined;
  home: string | undefined;
}

/**
 * Finds the invoking user in the text of /etc/passwd. SUDO_USER counts only for root: for anyone
 * else it is a variable like any other. A user missing there (LDAP, say) keeps $HOME.
 */
export function findInvokingUser(environment: UserEnvironment, passwd: string): InvokingUser {
  const { uid, sudoUser, home } = environment;
  if (uid === 0 && sudoUser) {
    const fields = passwdEntry(passwd, sudoUser);
    const found = fields?.[FIELD_HOME];
    if (fields && found?.startsWith("/")) {
      return {
        home: found,
        owner: { uid: Number(fields[FIELD_UID]), gid: Number(fields[FIELD_GID]) },
      };
    }
  }
  return { home: home || "/root", owner: null };
}

/** Reads the environment and /etc/passwd; an unreadable /etc/passwd counts as empty. */
export function readInvokingUser(): InvokingUser {
  const environment: UserEnvironment = {
    uid: Deno.uid(),
    sudoUser: Deno.env.get("SUDO_USER"),
    home: Deno.env.get("HOME"),
  };
  let passwd = "";
  try {
    passwd = Deno.readTextFileSync("/etc/passwd");
  } catch {
    // The fallback is $HOME, which is what a machine without this file has.
  }
  return findInvokingUser(environment, passwd);
}

/** Replaces a leading `~` by `home`: the shell does not, in `-pki=~/.fluxify`. */
export function expandHome(path: string, home: string): string {
  if (path === "~") return home;
  return path.startsWith("~/") ? `${home.replace(/\/+$/, "")}/${path.slice(2)}` : path;
}

function passwdEntry(passwd: string, name: string): string[] | undefined {
  return passwd.split("\n").map((line) => line.split(":"))
    .find((fields) => fields.length === PASSWD_FIELDS && fields[FIELD_NAME] === name);
}
