import CSASSLRing

/// CRC-32C (Castagnoli) of `bytes`, continuing `seed`, with the processor's instruction where it has one.
package func crc32c(_ bytes: UnsafeRawBufferPointer, continuing seed: UInt32 = 0) -> UInt32 {
  sassl_ring_crc32c(seed, bytes.baseAddress, bytes.count)
}
