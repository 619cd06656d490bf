// SPDX-License-Identifier: Apache-2.0
// Where the tests find what is beside them: their data, and the worker program of the build.
#pragma once

namespace devbindd::tests {

extern const char* const data_directory;
extern const char* const worker_program;

}  // namespace devbindd::tests
