// The test framework's header, of Catch2 3 or 2, whichever is installed. Debian 12 has 2.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
