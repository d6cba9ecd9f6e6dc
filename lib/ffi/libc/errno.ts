/** Error numbers of Linux (include/uapi/asm-generic/errno-base.h and errno.h) that we name or act on. */

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const EBADF = 9;
export const EAGAIN = 11;
const ENOMEM = 12;
export const EACCES = 13;
export const EBUSY = 16;
export const ENODEV = 19;
export const EINVAL = 22;
const ENOSPC = 28;
export const EMSGSIZE = 90;
const ENOPROTOOPT = 92;
const EOPNOTSUPP = 95;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETDOWN = 100;
export const ENETUNREACH = 101;
const ECONNRESET = 104;
export const ENOBUFS = 105;
const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EHOSTUNREACH = 113;
export const EINPROGRESS = 115;

const NAMES: Readonly<Record<number, string>> = {
  [EPERM]: "EPERM, not permitted",
  [ENOENT]: "ENOENT, no such file",
  [EINTR]: "EINTR, interrupted",
  [EIO]: "EIO, input/output error",
  [ENXIO]: "ENXIO, no such device or address",
  [EBADF]: "EBADF, bad file descriptor",
  [EAGAIN]: "EAGAIN, would block",
  [ENOMEM]: "ENOMEM, out of memory",
  [EACCES]: "EACCES, permission denied",
  [EBUSY]: "EBUSY, device or resource busy",
  [ENODEV]: "ENODEV, no such device",
  [EINVAL]: "EINVAL, invalid argument",
  [ENOSPC]: "ENOSPC, no space left",
  [EMSGSIZE]: "EMSGSIZE, message too long",
  [ENOPROTOOPT]: "ENOPROTOOPT, option not available",
  [EOPNOTSUPP]: "EOPNOTSUPP, not supported",
  [EAFNOSUPPORT]: "EAFNOSUPPORT, address family not supported",
  [EADDRINUSE]: "EADDRINUSE, address in use",
  [EADDRNOTAVAIL]: "EADDRNOTAVAIL, address not available",
  [ENETDOWN]: "ENETDOWN, network is down",
  [ENETUNREACH]: "ENETUNREACH, network is unreachable",
  [ENOBUFS]: "ENOBUFS, no buffer space",
  [ECONNRESET]: "ECONNRESET, connection reset",
  [ETIMEDOUT]: "ETIMEDOUT, no answer",
  [ECONNREFUSED]: "ECONNREFUSED, connection refused",
  [EHOSTUNREACH]: "EHOSTUNREACH, no route to host",
};

export function errnoName(errno: number): string {
  return NAMES[errno] ?? `errno ${errno}`;
}

/** A system call failed. Code branches on `errno`; people read the message. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  constructor(readonly action: string, readonly errno: number) {
    super(`Cannot ${action}: ${errnoName(errno)}`);
  }
}
