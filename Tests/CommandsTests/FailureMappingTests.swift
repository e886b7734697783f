import Basics
import BatchRing
import Commands
import Configuration
import Control
import Dataset
import Imaging
import Lifecycle
import Pipeline
import Streams
import StyleTransfer
import Testing

/// The machine lacks memory for a picture.
private let shortage = Shortage(ImagingError.outOfMemory(detail: "7 bytes for pixels"), path: "/a.png")!

/// The machine did not let a configuration be read.
private let unreadConfiguration = ConfigurationError(
  file: "a.toml", problems: [.init(line: nil, key: nil, message: "cannot be read")], isTransient: true)

@Suite("The exit code of an error")
struct FailureMappingTests {
  @Test(
    "is that of sysexits.h which names its kind",
    arguments: [
      (ConfigurationError(file: "a.toml", problems: [.init(line: 1, key: nil, message: "is wrong")]), 78),
      (unreadConfiguration, 71),
      (StreamFailure.machineAtFault(shortage, seconds: 60), 71),
      (StreamFailure.noThread(workers: 4), 71),
      (StreamFailure.tooManyBadFiles(bad: 1, total: 2, maximumFraction: 0.05, lastReason: "is empty"), 65),
      (StreamFailure.noReplacement(sample: 1, attempts: 64), 65),
      (StreamFailure.ring("is corrupt"), 70),
      (StyleFolderError.machineAtFault(shortage), 71),
      (StyleFolderError.nothingUsable(folder: "/styles", reason: "is empty"), 66),
      (ModelError.unwritable("/bank", reason: "Permission denied"), 73),
      (ModelError.unreadable("/bank", "is not a regular file"), 66),
      (ModelError.unreadable("/bank", "cannot be opened", errno: 2), 66),
      (ModelError.unreadable("/bank", "cannot be opened", errno: 24), 71),
      (ModelError.unreadable("/bank", "cannot be read", errno: 5), 71),
      (KnownStreamError.invalidName("a/b"), 64),
      (KnownStreamError.unknown("a", directory: "/etc/sassl", overview: ""), 69),
      (KnownStreamError.noDefault(installed: "/etc/sassl/sassld.toml", overview: ""), 78),
      (KnownStreamError.renamed(file: "a.toml", from: "a", to: "b"), 78),
      (PlaceError.symbolicLink(path: "/a"), 73),
      (HeldNameError.taken("a", byProcess: 7), 69),
      (HeldNameError.cannotMake(path: "/a.lock", reason: "Permission denied"), 73),
      (ControlError.nobodyListens(path: "/a"), 69),
      (ControlError.pathTooLong(path: "/a", limit: 107), 78),
      (ImagingError.outOfMemory(detail: "7 bytes"), 71),
      (ImagingError.empty, 65),
      (DatasetError.unreadable("/a", errno: 2), 66),
      (DatasetError.unreadable("/a", errno: 24), 71),
      (DatasetError.tooFewSamples(count: 1, globalBatchSize: 2), 78),
      (DatasetError.epochTooLong(source: 1), 78),
    ] as [(any Error, Int32)])
  func codes(error: any Error, code: Int32) {
    let failure = CommandFailure(for: error)
    #expect(failure.code.rawValue == code)
    #expect(failure.message == "\(error)")
  }
}
