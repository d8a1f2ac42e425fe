// SIGBUS: weights are read from mapped files, and a file that somebody cuts shorter meanwhile, or
// that the disk cannot read, ends in this signal and not in an error code.
#pragma once

namespace ixc {

// From now on a SIGBUS writes one line that names the file to stderr and ends the program with exit
// code 1. It does not go on: what was read up to then may be of two different files. Output files
// are written under a temporary name, so none is left half-written under its own.
//
// And a file that outgrows the user's limit (ulimit -f) is an error of the write, not a signal.
void InstallFaultHandler();

}  // namespace ixc
