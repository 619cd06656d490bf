// SPDX-License-Identifier: Apache-2.0
// The unit tests' entry point, for Catch2 2 and 3.
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <csignal>

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // as the daemon: a dead worker is an error of a write, not the end
  return Catch::Session().run(argc, argv);
}
