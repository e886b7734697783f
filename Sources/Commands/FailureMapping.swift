import Augmentation
import Basics
import BatchRing
import Configuration
import Control
import Dataset
import FoundationEssentials
import Glibc
import Imaging
import Lifecycle
import Pipeline
import Streams
import StyleTransfer

extension CommandFailure {
  /// The sentence and the exit code for any error of this program.
  package init(for error: any Error) {
    switch error {
    case let failure as CommandFailure: self = failure
    case let error as ConfigurationError:
      self.init(error.isTransient ? .systemResource : .configuration, error.description)
    case let error as RingError: self.init(Self.code(for: error), error.description)
    case let error as ModelError: self.init(Self.code(for: error), error.description)
    case let error as DatasetError: self.init(Self.code(for: error), error.description)
    case let error as ImagingError: self.init(error.isTransient ? .systemResource : .badData, error.description)
    case let error as StreamFailure: self.init(Self.code(for: error), error.description)
    case let error as ControlError: self.init(Self.code(for: error), error.description)
    case let error as KnownStreamError: self.init(Self.code(for: error), error.description)
    case let error as PlaceError: self.init(.cannotCreate, error.description)
    case let error as HeldNameError: self.init(Self.code(for: error), error.description)
    case let error as StartError: self.init(.systemResource, error.description)
    case let error as StyleFolderError: self.init(Self.code(for: error), error.description)
    case let error as StyleWeights.Fault: self.init(.configuration, error.description)
    case let error as Failpoint.UnknownStep: self.init(.usage, error.description)
    default: self.init(.software, "\(error)")
    }
  }

  private static func code(for error: RingError) -> ExitCode {
    switch error.kind {
    case .busy, .absent, .owner: .unavailable
    case .space, .system: .systemResource
    case .argument: .configuration
    default: .software
    }
  }

  private static func code(for error: ModelError) -> ExitCode {
    switch error.code {
    case .unreadable: error.isTransient ? .systemResource : .noInput
    case .unwritable: .cannotCreate
    default: .badData
    }
  }

  private static func code(for error: DatasetError) -> ExitCode {
    switch error {
    case .tooFewSamples, .epochTooLong: .configuration
    case .unreadable(_, let errno) where isFaultOfTheMachine(errno: errno): .systemResource
    default: .noInput
    }
  }

  private static func code(for error: ControlError) -> ExitCode {
    switch error {
    case .nobodyListens, .notAllowed, .noAnswer: .unavailable
    case .cannotListen: .cannotCreate
    case .pathTooLong: .configuration
    }
  }

  private static func code(for error: KnownStreamError) -> ExitCode {
    switch error {
    case .invalidName: .usage
    case .renamed, .noDefault: .configuration
    case .unknown: .unavailable
    }
  }

  private static func code(for error: HeldNameError) -> ExitCode {
    switch error {
    case .cannotMake: .cannotCreate
    case .cannotLock: .systemResource
    case .taken: .unavailable
    }
  }

  private static func code(for error: StyleFolderError) -> ExitCode {
    switch error {
    case .machineAtFault: .systemResource
    case .nothingUsable: .noInput
    }
  }

  private static func code(for failure: StreamFailure) -> ExitCode {
    switch failure {
    case .tooManyBadFiles, .noReplacement: .badData
    case .machineAtFault, .noThread: .systemResource
    case .style, .ring: .software
    }
  }
}
