/** The functions of OpenSSL 3's libcrypto that we call, each with its C prototype. */
export const LIBCRYPTO_SYMBOLS = {
  // EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void);
  EVP_CIPHER_CTX_new: { parameters: [], result: "usize" },
  // void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *ctx);
  EVP_CIPHER_CTX_free: { parameters: ["usize"], result: "void" },
  // const EVP_CIPHER *EVP_aes_256_gcm(void);
  EVP_aes_256_gcm: { parameters: [], result: "usize" },
  // EVP_CIPHER *EVP_CIPHER_meth_dup(const EVP_CIPHER *cipher); gone from OpenSSL 4.
  EVP_CIPHER_meth_dup: { parameters: ["usize"], result: "usize", optional: true },
  // unsigned int OPENSSL_version_major(void);
  OPENSSL_version_major: { parameters: [], result: "u32" },
  // unsigned int OPENSSL_version_minor(void);
  OPENSSL_version_minor: { parameters: [], result: "u32" },
  // int EVP_default_properties_is_fips_enabled(OSSL_LIB_CTX *libctx);
  EVP_default_properties_is_fips_enabled: { parameters: ["usize"], result: "i32" },
  // int EVP_EncryptInit_ex(ctx, const EVP_CIPHER *, ENGINE *, const uchar *key, const uchar *iv);
  EVP_EncryptInit_ex: { parameters: ["usize", "usize", "usize", "usize", "usize"], result: "i32" },
  // int EVP_EncryptUpdate(ctx, uchar *out, int *outl, const uchar *in, int inl);
  EVP_EncryptUpdate: { parameters: ["usize", "usize", "usize", "usize", "i32"], result: "i32" },
  // int EVP_EncryptFinal_ex(ctx, uchar *out, int *outl);
  EVP_EncryptFinal_ex: { parameters: ["usize", "usize", "usize"], result: "i32" },
  // int EVP_DecryptInit_ex(ctx, const EVP_CIPHER *, ENGINE *, const uchar *key, const uchar *iv);
  EVP_DecryptInit_ex: { parameters: ["usize", "usize", "usize", "usize", "usize"], result: "i32" },
  // int EVP_DecryptUpdate(ctx, uchar *out, int *outl, const uchar *in, int inl);
  EVP_DecryptUpdate: { parameters: ["usize", "usize", "usize", "usize", "i32"], result: "i32" },
  // int EVP_DecryptFinal_ex(ctx, uchar *out, int *outl);
  EVP_DecryptFinal_ex: { parameters: ["usize", "usize", "usize"], result: "i32" },
  // int EVP_CIPHER_CTX_ctrl(ctx, int type, int argument, void *pointer);
  EVP_CIPHER_CTX_ctrl: { parameters: ["usize", "i32", "i32", "usize"], result: "i32" },
} as const;
