/** Who is at the other end of a unix socket, as the kernel noted when it connected: unix(7). */
import type { Socket } from "node:net";
import { SyscallError } from "../libc/errno.ts";
import type { Libc } from "../libc/libc.ts";
import { SOL_SOCKET } from "./socket.ts";

// include/uapi/asm-generic/socket.h
const SO_PEERCRED = 17;
/** struct ucred: pid_t pid, uid_t uid, gid_t gid. */
const UCRED_LENGTH = 12;

interface PeerCredentials {
  /** 0 for a process of another namespace that this one does not see. */
  readonly processId: number;
  readonly userId: number;
  readonly groupId: number;
}

/**
 * Null where it cannot be known: the runtime has no official word for the descriptor of a connection,
 * and a later version may keep it elsewhere.
 */
export function peerCredentials(libc: Libc, connection: Socket): PeerCredentials | null {
  const { _handle: handle } = connection as { _handle?: { fd?: unknown } | null };
  const fd = handle?.fd;
  if (typeof fd !== "number" || fd < 0) return null;
  try {
    const action = "read who is connected";
    const bytes = libc.optionBytes(fd, SOL_SOCKET, SO_PEERCRED, UCRED_LENGTH, action);
    const view = new DataView(bytes.buffer);
    return {
      processId: view.getInt32(0, true),
      userId: view.getUint32(4, true),
      groupId: view.getUint32(8, true),
    };
  } catch (error) {
    if (error instanceof SyscallError) return null;
    throw error;
  }
}
