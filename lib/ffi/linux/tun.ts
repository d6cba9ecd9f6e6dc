/**
 * TUN devices of Linux (Documentation/networking/tuntap.rst, include/uapi/linux/if_tun.h): one IP
 * packet a read or write, and with a virtio header in front up to 64 KiB of one flow.
 */
import { EACCES, EBUSY, EINVAL, ENOENT, ENXIO, EPERM, SyscallError } from "../libc/errno.ts";
import type { Libc } from "../libc/libc.ts";

const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
export const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_MULTI_QUEUE = 0x0100;
const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO6 = 0x04;
/** Both only together. */
const TUN_F_USO = 0x20 | 0x40;
const INTERFACE_NAME_MAX = 15;
const INTERFACE_NAME = /^(?!\.\.?$)[A-Za-z0-9._-]{1,15}$/;
/** sizeof(struct ifreq) on 64-bit Linux. */
const IFREQ_LENGTH = 40;

const TUN_PATH = "/dev/net/tun";
/** sizeof(struct virtio_net_hdr). */
export const VNET_HEADER_LENGTH = 10;

export interface TunDevice {
  readonly fd: number;
  readonly name: string;
  /** Whether reads and writes carry a virtio header, and so super-packets. */
  readonly vnetHeader: boolean;
  /** Whether they carry UDP super-packets, too: Linux 6.2. */
  readonly udpSegments: boolean;
}

/** Why a TUN device could not be made, in words that say what to do. */
export class TunError extends Error {
  override readonly name = "TunError";
}

/**
 * Makes the TUN device `name`; it goes away when the descriptor is closed. With `offload`, the
 * device takes and gives super-packets of TCP and UDP where the kernel can.
 * @throws TunError
 */
export function openTun(libc: Libc, name: string, offload: boolean): TunDevice {
  return openQueue(libc, name, offload, 0);
}

/**
 * Makes the TUN device `name` with several queues, each with a descriptor of its own. The kernel gives
 * the packets of a flow to the queue that the flow's packets were last written to, and to any queue
 * when there were none. The device goes away when the last descriptor is closed.
 * @throws TunError
 */
export function openTunQueues(libc: Libc, name: string, count: number): TunDevice[] {
  const queues: TunDevice[] = [];
  try {
    while (queues.length < count) queues.push(openQueue(libc, name, true, IFF_MULTI_QUEUE));
    return queues;
  } catch (error) {
    for (const { fd } of queues) libc.closeFile(fd);
    throw error;
  }
}

function openQueue(libc: Libc, name: string, offload: boolean, more: number): TunDevice {
  // The kernel would refuse the rest, or take "%d" for a number to choose.
  if (!INTERFACE_NAME.test(name)) {
    throw new TunError(
      `Cannot name a TUN device '${name}': use 1 to ${INTERFACE_NAME_MAX} letters, digits, ` +
        `".", "_" and "-"`,
    );
  }
  if (offload) {
    const fd = openDevice(libc, name, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | more);
    try {
      const features = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
      libc.ioctlNumber(fd, TUNSETOFFLOAD, features, "turn TUN offloads on");
      const udpSegments = turnUdpOffloadsOn(libc, fd, features);
      return { fd, name, vnetHeader: true, udpSegments };
    } catch {
      libc.closeFile(fd);
    }
  }
  return {
    fd: openDevice(libc, name, IFF_TUN | IFF_NO_PI | more),
    name,
    vnetHeader: false,
    udpSegments: false,
  };
}

/** Returns whether the kernel has them: it takes UDP super-packets since it gives them. */
function turnUdpOffloadsOn(libc: Libc, fd: number, features: number): boolean {
  try {
    libc.ioctlNumber(fd, TUNSETOFFLOAD, features | TUN_F_USO, "turn UDP offloads on");
    return true;
  } catch {
    return false;
  }
}

function openDevice(libc: Libc, name: string, flags: number): number {
  let fd = -1;
  try {
    fd = libc.openFile(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    const request = new Uint8Array(IFREQ_LENGTH);
    new TextEncoder().encodeInto(name, request);
    new DataView(request.buffer).setUint16(16, flags, true);
    libc.ioctl(fd, TUNSETIFF, request, `make TUN device ${name}`);
    return fd;
  } catch (error) {
    if (fd >= 0) libc.closeFile(fd);
    throw error instanceof SyscallError ? explain(name, error) : error;
  }
}

const OTHER_NAME = " with -tun, on the server with -iface";

function explain(name: string, error: SyscallError): TunError {
  switch (error.errno) {
    case ENOENT:
    case ENXIO:
      return new TunError(
        `Cannot open ${TUN_PATH}: this kernel has no TUN driver loaded; try "modprobe tun", ` +
          "or give the container --device /dev/net/tun",
      );
    case EPERM:
    case EACCES:
      return new TunError(`Cannot make TUN device ${name}: not permitted; run with sudo`);
    case EBUSY:
      return new TunError(
        `Cannot make TUN device ${name}: another program uses it; stop that one first, or ` +
          `choose another name${OTHER_NAME}`,
      );
    case EINVAL:
      return new TunError(
        `Cannot make TUN device ${name}: a device of that name is there already, and is no TUN ` +
          `device of ours; choose another name${OTHER_NAME}`,
      );
    default:
      return new TunError(error.message);
  }
}
