/**
 * The peer's address, and the local one it calls, as the kernel has them beside a datagram: a `struct
 * sockaddr_in` or `sockaddr_in6`, and `struct in_pktinfo` or `in6_pktinfo` in a control message
 * (include/uapi/linux/in.h and ipv6.h).
 */
import { cmsgSpace, type MessageBuffer } from "../../ffi/linux/message.ts";
import {
  AF_INET,
  AF_INET6,
  IP_PKTINFO,
  IPV6_PKTINFO,
  SOL_IP,
  SOL_IPV6,
} from "../../ffi/linux/socket.ts";
import { MAPPED_PREFIX, type PeerAddress } from "../../protocol/path/peer_address.ts";

const SOCKADDR4_LENGTH = 16;
const SOCKADDR6_LENGTH = 28;
const PKTINFO4_LENGTH = 12;
const PKTINFO6_LENGTH = 20;
/** ipi_spec_dst, behind the number of the interface. */
const PKTINFO4_LOCAL = 4;
const PKTINFO4_DESTINATION = 8;

/** Room for the local address in control data. */
export const LOCAL_ADDRESS_SPACE = cmsgSpace(PKTINFO6_LENGTH);
export const SOCKADDR_CAPACITY = SOCKADDR6_LENGTH;

/** Hot. Reads into `peer` where the datagram came from that `message` has received. */
export function readPeer(message: MessageBuffer, view: DataView, peer: PeerAddress): void {
  const { name } = message;
  peer.port = view.getUint16(name + 2);
  peer.local0 =
    peer.local1 =
    peer.local2 =
    peer.local3 =
      0;
  if (view.getUint16(name, true) === AF_INET6) {
    peer.a0 = view.getInt32(name + 8);
    peer.a1 = view.getInt32(name + 12);
    peer.a2 = view.getInt32(name + 16);
    peer.a3 = view.getInt32(name + 20);
    peer.scope = view.getUint32(name + 24, true);
    const info = message.findCmsg(SOL_IPV6, IPV6_PKTINFO);
    if (info < 0) return;
    peer.local0 = view.getInt32(info);
    peer.local1 = view.getInt32(info + 4);
    peer.local2 = view.getInt32(info + 8);
    peer.local3 = view.getInt32(info + 12);
  } else {
    peer.a0 = peer.a1 = peer.scope = 0;
    peer.a2 = MAPPED_PREFIX;
    peer.a3 = view.getInt32(name + 4);
    const info = message.findCmsg(SOL_IP, IP_PKTINFO);
    if (info < 0) return;
    peer.local2 = MAPPED_PREFIX;
    peer.local3 = view.getInt32(info + PKTINFO4_LOCAL);
  }
}

/**
 * Hot. Addresses `message` to `peer`, from the local address it calls.
 * @param control where control data goes; the end of it is returned.
 */
export function writePeer(
  message: MessageBuffer,
  view: DataView,
  peer: PeerAddress,
  control: number,
  isV6: boolean,
): number {
  const { name } = message;
  view.setUint16(name + 2, peer.port);
  if (!isV6) {
    view.setUint16(name, AF_INET, true);
    view.setInt32(name + 4, peer.a3);
    message.setNameLength(SOCKADDR4_LENGTH);
    if (peer.local3 === 0) return control;
    const info = message.writeCmsg(control, SOL_IP, IP_PKTINFO, PKTINFO4_LENGTH);
    view.setInt32(info, 0);
    view.setInt32(info + PKTINFO4_LOCAL, peer.local3);
    view.setInt32(info + PKTINFO4_DESTINATION, 0);
    return control + cmsgSpace(PKTINFO4_LENGTH);
  }
  view.setUint16(name, AF_INET6, true);
  view.setUint32(name + 4, 0);
  view.setInt32(name + 8, peer.a0);
  view.setInt32(name + 12, peer.a1);
  view.setInt32(name + 16, peer.a2);
  view.setInt32(name + 20, peer.a3);
  view.setUint32(name + 24, peer.scope, true);
  message.setNameLength(SOCKADDR6_LENGTH);
  if ((peer.local0 | peer.local1 | peer.local2 | peer.local3) === 0) return control;
  const info = message.writeCmsg(control, SOL_IPV6, IPV6_PKTINFO, PKTINFO6_LENGTH);
  view.setInt32(info, peer.local0);
  view.setInt32(info + 4, peer.local1);
  view.setInt32(info + 8, peer.local2);
  view.setInt32(info + 12, peer.local3);
  view.setUint32(info + 16, peer.scope, true);
  return control + cmsgSpace(PKTINFO6_LENGTH);
}
