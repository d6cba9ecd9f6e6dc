/** Gives up the rights of root for good: setresuid(2). */
import { SyscallError } from "../libc/errno.ts";

/** No supplementary groups; glibc changes all threads of the process at once: nptl(7). */
const SYMBOLS = {
  // int setgroups(size_t size, const gid_t *list);
  setgroups: { parameters: ["usize", "pointer"], result: "i32" },
  // int setresgid(gid_t rgid, gid_t egid, gid_t sgid);
  setresgid: { parameters: ["u32", "u32", "u32"], result: "i32" },
  // int setresuid(uid_t ruid, uid_t euid, uid_t suid);
  setresuid: { parameters: ["u32", "u32", "u32"], result: "i32" },
  // int setuid(uid_t uid);
  setuid: { parameters: ["u32"], result: "i32" },
  // int *__errno_location(void);
  __errno_location: { parameters: [], result: "pointer" },
} as const;

/**
 * Every thread of this process belongs to that user and group from now on, without any capability.
 * Nothing that needs root may be loaded afterwards. @throws SyscallError; Error when root's rights
 * could be taken back.
 */
export function becomeUser(
  { userId, groupId }: { readonly userId: number; readonly groupId: number },
): void {
  const library = Deno.dlopen("libc.so.6", SYMBOLS);
  try {
    const { symbols } = library;
    const check = (result: number, action: string) => {
      if (result === 0) return;
      const location = symbols.__errno_location();
      const errno = location === null ? 0 : new Deno.UnsafePointerView(location).getInt32();
      throw new SyscallError(action, errno);
    };
    check(symbols.setgroups(0n, null), "give up the groups");
    check(symbols.setresgid(groupId, groupId, groupId), `become group ${groupId}`);
    check(symbols.setresuid(userId, userId, userId), `become user ${userId}`);
    if (symbols.setuid(0) === 0) throw new Error("Cannot give up the rights of root for good");
  } finally {
    library.close();
  }
}
