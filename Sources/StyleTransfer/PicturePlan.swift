/// Where the pictures between the layers of a graph lie in one block of memory: each from the layer that writes it to the last
/// that reads it, in room that others had before.
struct PicturePlan {
  /// The first float of each picture: entry 0 is the network's own, entry k the output of layer k - 1.
  let offsets: [Int]
  /// Floats in all.
  let count: Int

  /// - Parameters:
  ///   - graph: the layers, in the order in which they run.
  ///   - sizes: floats of each picture, numbered as in ``offsets``.
  ///   - hosts: the picture that another one is part of, and where in it: it needs no room of its own.
  init(_ graph: LayerGraph, sizes: [Int], hosts: [Int: (picture: Int, offset: Int)] = [:]) {
    let pictures = sizes.count
    func host(_ picture: Int) -> Int { hosts[picture].map { host($0.picture) } ?? picture }
    // A picture is written by layer `picture - 1` and lives until its last reader; the last one's lives on.
    var begins = Array(-1..<pictures - 1)
    var ends = begins
    for (picture, readers) in graph.readers.enumerated() {
      ends[picture] = picture == pictures - 1 ? graph.layers.count : readers.max() ?? begins[picture]
    }
    for picture in 0..<pictures where host(picture) != picture {
      begins[host(picture)] = min(begins[host(picture)], begins[picture])
      ends[host(picture)] = max(ends[host(picture)], ends[picture])
    }
    var offsets = [Int](repeating: 0, count: pictures)
    var placed: [Int] = []
    var count = 0
    // The largest first: small ones fit between them.
    for picture in sizes.indices.filter({ host($0) == $0 }).sorted(by: { (sizes[$0], $1) > (sizes[$1], $0) }) {
      let size = roundUp(sizes[picture], toMultipleOf: 16)
      let neighbours = placed.filter { begins[$0] <= ends[picture] && begins[picture] <= ends[$0] }
      var offset = 0
      for other in neighbours.sorted(by: { offsets[$0] < offsets[$1] }) {
        if offsets[other] >= offset + size { break }
        offset = max(offset, offsets[other] + roundUp(sizes[other], toMultipleOf: 16))
      }
      offsets[picture] = offset
      placed.append(picture)
      count = max(count, offset + size)
    }
    for (picture, place) in hosts {
      var (base, offset) = (place.picture, place.offset)
      while let outer = hosts[base] { (base, offset) = (outer.picture, offset + outer.offset) }
      offsets[picture] = offsets[base] + offset
    }
    self.offsets = offsets
    self.count = count
  }
}
