/** Errors of a send that say that the link itself cannot carry anything, rather than this datagram. */
import {
  EADDRNOTAVAIL,
  EHOSTUNREACH,
  ENETDOWN,
  ENETUNREACH,
  ENODEV,
  ENXIO,
  errnoName,
} from "../libc/errno.ts";

const LINK_GONE = [ENETDOWN, ENETUNREACH, ENODEV, ENXIO, EHOSTUNREACH, EADDRNOTAVAIL];
/** As in "ENODEV, no such device". */
const LINK_GONE_CODES = LINK_GONE.map((errno) => errnoName(errno).split(",")[0]);

export function isLinkGone(errno: number): boolean {
  return LINK_GONE.includes(errno);
}

/** The same by the kernel's name of the error, such as "ENODEV". */
export function isLinkGoneCode(code: string): boolean {
  return LINK_GONE_CODES.includes(code);
}
