import Imaging

extension ServiceConfiguration.Limits {
  /// What one picture file may cost.
  package var decodeLimits: DecodeLimits { DecodeLimits(maximumPixels: maximumPixels, maximumBytes: maximumFileBytes) }
}
