/**
 * The functions of libzstd that we call (zstd.h), each with its C prototype. Lengths come back as
 * `i32`, because a `size_t` would be a BigInt and cost an allocation; errors are negative then.
 */
export const LIBZSTD_SYMBOLS = {
  // ZSTD_CCtx *ZSTD_createCCtx(void);
  ZSTD_createCCtx: { parameters: [], result: "usize" },
  // size_t ZSTD_freeCCtx(ZSTD_CCtx *);
  ZSTD_freeCCtx: { parameters: ["usize"], result: "i32" },
  // size_t ZSTD_CCtx_setParameter(ZSTD_CCtx *, ZSTD_cParameter, int value);
  ZSTD_CCtx_setParameter: { parameters: ["usize", "i32", "i32"], result: "i32" },
  // size_t ZSTD_CCtx_loadDictionary(ZSTD_CCtx *, const void *dictionary, size_t);
  ZSTD_CCtx_loadDictionary: { parameters: ["usize", "buffer", "usize"], result: "i32" },
  // size_t ZSTD_compress2(ZSTD_CCtx *, void *out, size_t capacity, const void *in, size_t);
  ZSTD_compress2: { parameters: ["usize", "usize", "usize", "usize", "usize"], result: "i32" },
  // ZSTD_DCtx *ZSTD_createDCtx(void);
  ZSTD_createDCtx: { parameters: [], result: "usize" },
  // size_t ZSTD_freeDCtx(ZSTD_DCtx *);
  ZSTD_freeDCtx: { parameters: ["usize"], result: "i32" },
  // size_t ZSTD_DCtx_setParameter(ZSTD_DCtx *, ZSTD_dParameter, int value);
  ZSTD_DCtx_setParameter: { parameters: ["usize", "i32", "i32"], result: "i32" },
  // size_t ZSTD_DCtx_loadDictionary(ZSTD_DCtx *, const void *dictionary, size_t);
  ZSTD_DCtx_loadDictionary: { parameters: ["usize", "buffer", "usize"], result: "i32" },
  // size_t ZSTD_decompressDCtx(ZSTD_DCtx *, void *out, size_t capacity, const void *in, size_t);
  ZSTD_decompressDCtx: { parameters: ["usize", "usize", "usize", "usize", "usize"], result: "i32" },
} as const;
