import CFuzzer
import Foundation
import Imaging

/// Small enough that a run spends its time on decoders, not on clearing memory.
private let limits = DecodeLimits(maximumPixels: 1 << 20, maximumBytes: 1 << 20)

/// Any bytes are a picture or a typed error, at every reduction, and what the header promises is what comes.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPictures(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let bytes = UnsafeRawBufferPointer(start: start, count: count)
  let decoder = ImageDecoder()
  let image = RGBImage(width: 1, height: 1)
  for reduction in [DecodeReduction.none, .quarter] {
    do throws(ImagingError) {
      let header = try decoder.header(of: bytes, limits: limits)
      try decoder.decode(bytes, limits: limits, reduction: reduction, into: image)
      precondition(image.originalWidth == header.width && image.originalHeight == header.height)
      let pixels = UnsafeBufferPointer(start: image.pixels.base, count: image.width * image.height * 3)
      _ = pixels.reduce(0) { $0 &+ Int($1) }
    } catch {
      precondition(!error.description.isEmpty)
    }
  }
  return 0
}

exit(run_fuzzer(CommandLine.argc, CommandLine.unsafeArgv))
