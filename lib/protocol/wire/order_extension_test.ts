import { equal } from "node:assert/strict";
import fc from "fast-check";
import {
  decodeOrderExtension,
  encodeOrderExtension,
  ORDER_EXTENSION_LENGTH,
  ORDER_FLAG_PRIORITY,
  ORDER_FLAG_RECOVERABLE,
  ORDER_FLAG_REPEATED,
  OrderExtension,
} from "./order_extension.ts";

Deno.test("the fields of the order extension have their places", () => {
  const view = new DataView(new ArrayBuffer(ORDER_EXTENSION_LENGTH + 1));
  const extension = new OrderExtension();
  extension.order = 0x01020304;
  extension.paths = 0x0506;
  extension.flags = ORDER_FLAG_RECOVERABLE | ORDER_FLAG_REPEATED | ORDER_FLAG_PRIORITY;
  encodeOrderExtension(view, 1, extension);
  equal(new Uint8Array(view.buffer).toHex(), "000102030405060007");
});

Deno.test("property: an order extension that was encoded is decoded; a short one is refused", () => {
  const fields = fc.tuple(fc.nat(0xffffffff), fc.nat(0xffff), fc.nat(0xffff));
  fc.assert(fc.property(fields, fc.nat(20), ([order, paths, flags], length) => {
    const view = new DataView(new ArrayBuffer(ORDER_EXTENSION_LENGTH));
    encodeOrderExtension(view, 0, { order, paths, flags });
    const decoded = new OrderExtension();
    const isDecoded = decodeOrderExtension(view, 0, length, decoded);
    equal(isDecoded, length >= ORDER_EXTENSION_LENGTH);
    if (isDecoded) {
      equal(`${decoded.order} ${decoded.paths} ${decoded.flags}`, `${order} ${paths} ${flags}`);
    }
  }));
});
