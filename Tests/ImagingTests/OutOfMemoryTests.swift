import Foundation
import Imaging
import Testing

/// Each test in a process of its own: what it does to the memory would harm all the others. The sanitizers' own memory cannot be limited.
@Suite("Out of memory", .enabled(if: dlsym(nil, "__sanitizer_get_heap_size") == nil))
struct OutOfMemoryTests {
  @Test("pixels that find no room are the machine's fault, and the same file decodes when there is room")
  func pixels() async {
    await #expect(processExitsWith: .success) {
      let file = try flat(width: 4000, height: 3000) { try PNGFile.encode($0) }
      let image = RGBImage(width: 1, height: 1)
      expectRefusal(of: file, into: image, "36000000 bytes for pixels")
    }
  }

  // As wide as the formats go, so that a few rows are more than what is left; the pixels have their room already.

  @Test("where libjpeg-turbo finds no memory, it is no damage to the file")
  func libjpeg() async {
    await #expect(processExitsWith: .success) {
      let file = try flat(width: 65_500, height: 64) { try JPEGFile.encode($0) }
      expectRefusal(of: file, into: try ImageDecoder().decode(file), "Insufficient memory")
    }
  }

  @Test("where libpng finds no memory, it is no damage to the file")
  func libpng() async {
    await #expect(processExitsWith: .success) {
      let file = try flat(width: 1_000_000, height: 2) { try PNGFile.encode($0) }
      expectRefusal(of: file, into: try ImageDecoder().decode(file), "Out of memory")
    }
  }

  @Test("where libwebp or libtiff finds no memory, it is no damage to the file", arguments: ["flat.webp", "wide.tiff"])
  func otherLibraries(name: String) async {
    await #expect(processExitsWith: .success) { [name] in
      let file = try [UInt8](Goldens.contents(of: name))
      expectRefusal(of: file, into: try ImageDecoder().decode(file), "was refused memory")
    }
  }

  @Test("the rows of a tall crop are refused before the crop")
  func tallCrop() async {
    await #expect(processExitsWith: .success) {
      let image = RGBImage(width: 8, height: 100_000)
      let workspace = PixelWorkspace()
      let refusal = withoutMemory {
        do throws(ImagingError) {
          try workspace.reserve(forCrop: image.fullFrame, of: image, width: 224)
          return false
        } catch {
          return error == .outOfMemory(detail: "67200000 bytes for the crop's rows")
        }
      }
      precondition(refusal)
      try workspace.reserve(forCrop: image.fullFrame, of: image, width: 224)
    }
  }
}

/// The file of a flat picture, which is small.
private func flat(width: Int, height: Int, encode: (PixelBuffer) throws -> [UInt8]) rethrows -> [UInt8] {
  let image = RGBImage(width: width, height: height)
  image.pixels.bytes.update(repeating: 128)
  return try encode(image.pixels)
}

/// Fails this process unless decoding ends for want of memory, and goes well after that.
private func expectRefusal(of file: [UInt8], into image: RGBImage, _ words: String) {
  let decoder = ImageDecoder()
  func decode() -> ImagingError? {
    file.withUnsafeBytes { bytes in
      do throws(ImagingError) {
        try decoder.decode(bytes, into: image)
        return nil
      } catch {
        return error
      }
    }
  }
  let error = withoutMemory { decode() }
  guard case .outOfMemory(let detail) = error, error?.isTransient == true, detail.contains(words) else {
    fatalError("\(error.map { "\($0)" } ?? "no error")")
  }
  if let error = decode() { fatalError("\(error)") }
}

/// Runs `body` where no more than small things find room.
private func withoutMemory<Result>(_ body: () -> Result) -> Result {
  var limit = rlimit()
  getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  let before = limit.rlim_cur
  // The main thread's stack has to grow.
  limit.rlim_cur = addressSpace() + (512 << 10)
  setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  // The allocator may have much that it was given before.
  var taken: [UnsafeMutableRawPointer] = []
  taken.reserveCapacity(10_000)
  while let memory = malloc(1 << 20) { taken.append(memory) }
  let result = body()
  for memory in taken { free(memory) }
  limit.rlim_cur = before
  setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  return result
}

/// How much this process has mapped, in bytes.
private func addressSpace() -> UInt {
  let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ").first
  return pages.flatMap { UInt($0) }! * UInt(sysconf(Int32(_SC_PAGESIZE)))
}
