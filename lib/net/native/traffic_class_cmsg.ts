/** DSCP and ECN of datagrams, as the kernel has them in control messages (ip(7), RFC 3542). */
import { cmsgSpace, type MessageBuffer } from "../../ffi/linux/message.ts";
import { IP_TOS, IPV6_TCLASS, SOL_IP, SOL_IPV6 } from "../../ffi/linux/socket.ts";
import { MAPPED_PREFIX } from "../../protocol/path/peer_address.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";

const CLASS_LENGTH = 4;

/** Room for it in control data. */
export const TRAFFIC_CLASS_SPACE = cmsgSpace(CLASS_LENGTH);

/** Hot. The traffic class of the datagrams that `message` has received; 0 where it is not told. */
export function readTrafficClass(message: MessageBuffer, view: DataView): number {
  const tos = message.findCmsg(SOL_IP, IP_TOS);
  if (tos >= 0) return view.getUint8(tos);
  const trafficClass = message.findCmsg(SOL_IPV6, IPV6_TCLASS);
  return trafficClass >= 0 ? view.getUint8(trafficClass) : 0;
}

/**
 * Hot. Gives the datagrams of `message` on `path` a traffic class.
 * @param control where control data goes; the end of it is returned.
 */
export function writeTrafficClass(
  message: MessageBuffer,
  view: DataView,
  path: SessionPath,
  trafficClass: number,
  control: number,
): number {
  const isIpv4 = isIpv4Path(path);
  const level = isIpv4 ? SOL_IP : SOL_IPV6;
  const type = isIpv4 ? IP_TOS : IPV6_TCLASS;
  const data = message.writeCmsg(control, level, type, CLASS_LENGTH);
  view.setInt32(data, trafficClass, true);
  return control + TRAFFIC_CLASS_SPACE;
}

/** On the server by the peer's address, which may be IPv4 mapped; on the client as it was opened. */
function isIpv4Path({ family, peer }: SessionPath): boolean {
  if (peer.port === 0) return family === 4;
  return peer.a0 === 0 && peer.a1 === 0 && peer.a2 === MAPPED_PREFIX;
}
