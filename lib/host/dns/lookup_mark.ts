/**
 * Of the client's own questions for the server's name: by this the kill switch tells them from those of
 * other programs. Nobody without CAP_NET_ADMIN can set it.
 */
export const LOOKUP_MARK = 0x20000053;
export const DNS_PORT = 53;
