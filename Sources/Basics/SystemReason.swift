import FoundationEssentials
import Glibc

/// Why an operation on files failed, in the system's own words where it gave some, such as "No space left on device".
package func systemReason(of error: any Error) -> String {
  guard let system = ((error as? CocoaError)?.underlying ?? error) as? POSIXError else { return "\(error)" }
  return String(cString: strerror(system.code.rawValue))
}
