import Glibc

/// Whether the error number of a system call tells of the machine and not of the file, so that trying again is right and refusing the file
/// is not.
///
/// No descriptors or memory are left, a network or its server is away, a disk gives an error.
package func isFaultOfTheMachine(errno code: Int32) -> Bool { faultsOfTheMachine.contains(code) }

private let faultsOfTheMachine: Set<Int32> = [
  // What this machine is short of.
  EMFILE, ENFILE, ENOMEM, EAGAIN, ENOBUFS, EBUSY, EINTR,
  // The device, or the path to it.
  EIO, ENOMEDIUM, EREMOTEIO, EUCLEAN, EBADMSG,
  // The server of a network file system, or the way there.
  ESTALE, ENOTCONN, ETIMEDOUT, ETIME, ENETDOWN, ENETUNREACH, ENETRESET, ECONNABORTED, ECONNRESET, ECONNREFUSED,
  ESHUTDOWN, EHOSTDOWN, EHOSTUNREACH, ENOLINK, ECOMM, EPIPE, EPROTO, ENOLCK,
  // Credentials of a network file system that somebody will renew.
  ENOKEY, EKEYEXPIRED, EKEYREVOKED,
]
