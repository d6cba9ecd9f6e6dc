/** The server's end of the tunnel. */
export const TUN_NAME = "fluxify-srv";
/** Bytes of a packet inside. */
export const TUN_MTU = 1400;
