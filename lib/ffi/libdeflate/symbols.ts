/**
 * The functions of libdeflate that we call (libdeflate.h), each with its C prototype. Lengths come
 * back as `i32`, because a `size_t` would be a BigInt and cost an allocation.
 */
export const LIBDEFLATE_SYMBOLS = {
  // struct libdeflate_compressor *libdeflate_alloc_compressor(int level);
  libdeflate_alloc_compressor: { parameters: ["i32"], result: "usize" },
  // void libdeflate_free_compressor(struct libdeflate_compressor *);
  libdeflate_free_compressor: { parameters: ["usize"], result: "void" },
  // size_t libdeflate_gzip_compress(compressor, const void *in, size_t, void *out, size_t available);
  libdeflate_gzip_compress: {
    parameters: ["usize", "usize", "usize", "usize", "usize"],
    result: "i32",
  },
  // struct libdeflate_decompressor *libdeflate_alloc_decompressor(void);
  libdeflate_alloc_decompressor: { parameters: [], result: "usize" },
  // void libdeflate_free_decompressor(struct libdeflate_decompressor *);
  libdeflate_free_decompressor: { parameters: ["usize"], result: "void" },
  // enum libdeflate_result libdeflate_gzip_decompress_ex(decompressor, const void *in, size_t,
  //     void *out, size_t available, size_t *in_used, size_t *out_used);
  libdeflate_gzip_decompress_ex: {
    parameters: ["usize", "usize", "usize", "usize", "usize", "usize", "usize"],
    result: "i32",
  },
} as const;
