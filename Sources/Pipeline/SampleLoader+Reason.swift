import Dataset
import Imaging

extension SampleLoader {
  /// Why a file cannot be used, with the key of the configuration that would allow it.
  package static func reason(for error: any Error) -> String {
    switch error {
    case ImagingError.tooManyPixels: "\(error) (limits.max_pixels)"
    case ImagingError.tooManyBytes, SampleError.tooLarge: "\(error) (limits.max_file_bytes)"
    default: "\(error)"
    }
  }
}
