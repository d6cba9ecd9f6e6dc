/** The functions of zlib that we call (zlib.h), each with its C prototype. */
export const LIBZ_SYMBOLS = {
  // const char *zlibVersion(void);
  zlibVersion: { parameters: [], result: "usize" },
  // int deflateInit2_(z_streamp, int level, int method, int window_bits, int memory_level,
  //     int strategy, const char *version, int stream_size);
  deflateInit2_: {
    parameters: ["usize", "i32", "i32", "i32", "i32", "i32", "usize", "i32"],
    result: "i32",
  },
  // int deflateReset(z_streamp);
  deflateReset: { parameters: ["usize"], result: "i32" },
  // int deflate(z_streamp, int flush);
  deflate: { parameters: ["usize", "i32"], result: "i32" },
  // int deflateEnd(z_streamp);
  deflateEnd: { parameters: ["usize"], result: "i32" },
  // int inflateInit2_(z_streamp, int window_bits, const char *version, int stream_size);
  inflateInit2_: { parameters: ["usize", "i32", "usize", "i32"], result: "i32" },
  // int inflateReset(z_streamp);
  inflateReset: { parameters: ["usize"], result: "i32" },
  // int inflate(z_streamp, int flush);
  inflate: { parameters: ["usize", "i32"], result: "i32" },
  // int inflateEnd(z_streamp);
  inflateEnd: { parameters: ["usize"], result: "i32" },
} as const;
