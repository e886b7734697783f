import CSASSLRing

/// Which ring: a file `sassl.NAME.RANK` in a directory on tmpfs.
package struct RingLocation: Sendable, Hashable {
  /// Directory of the file, `/dev/shm` by default.
  package let directory: String
  /// 1 to 63 letters, digits, `-` or `_`, so that no name can leave the directory.
  package let name: String
  /// Rank of the ring's reader, 0 or more.
  package let rank: Int

  /// Names a ring. Throws nothing: names are checked when the ring is opened.
  package init(directory: String = "/dev/shm", name: String, rank: Int = 0) {
    self.directory = directory
    self.name = name
    self.rank = rank
  }

  /// Path of the ring's file. Throws `RingError.Kind.argument` for a name that is not allowed.
  package func path() throws(RingError) -> String {
    var path = [UInt8](repeating: 0, count: 4096)
    let rank = try checkedRank()
    _ = try checked { error in
      path.withUnsafeMutableBytes {
        sassl_ring_path(directory, name, rank, $0.bindMemory(to: CChar.self).baseAddress, $0.count, error)
      }
    }
    return String(decoding: path.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// Removes the ring that a dead daemon left here, and with it the knowledge of where its reader stood.
  ///
  /// - Throws: `RingError.Kind.busy` where a live process fills or reads it, `.absent` where there is none.
  package func removeDead() throws(RingError) {
    let rank = try checkedRank()
    _ = try checked { sassl_ring_remove_dead(directory, name, rank, $0) }
  }

  func checkedRank() throws(RingError) -> UInt32 {
    guard let rank = UInt32(exactly: rank) else {
      throw RingError(kind: .argument, description: "rank \(rank) is not a rank: it must be 0 or more")
    }
    return rank
  }
}
