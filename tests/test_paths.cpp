// SPDX-License-Identifier: Apache-2.0
#include "tests/test_paths.hpp"

namespace devbindd::tests {

const char* const data_directory = DEVBINDD_TEST_DATA;
const char* const worker_program = DEVBINDD_TEST_WORKER;

}  // namespace devbindd::tests
